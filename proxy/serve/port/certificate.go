// SPDX-License-Identifier: Apache-2.0

package port

import (
	"crypto/tls"
	"fmt"
	"log/slog"

	"github.com/kairn-dev/kairn/proxy/reload"
)

// A Certificate is what TLS shows, from two files that may change at any time:
// each handshake looks whether they have.
type Certificate struct {
	pair *reload.Value[*tls.Certificate]
}

// LoadCertificate reads the two files, in PEM.
func LoadCertificate(log *slog.Logger, cert, key string) (*Certificate, error) {
	pair, err := reload.Load(log, func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("certificate %s with key %s: %w", cert, key, err)
		}
		return &pair, nil
	}, cert, key)
	return &Certificate{pair}, err
}

// get returns the certificate for a handshake.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.pair.Get(), nil }
