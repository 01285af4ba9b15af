// SPDX-License-Identifier: Apache-2.0

package port

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A Certificate is what TLS shows, from two files that may change at any time:
// each handshake looks whether they have. One that can't be read doesn't replace
// the one before.
type Certificate struct {
	log       *slog.Logger
	cert, key string

	mu      sync.Mutex // protects all below
	shown   *tls.Certificate
	version [2]version
}

// A version tells two states of a file apart.
type version struct {
	changed time.Time
	size    int64
}

// LoadCertificate reads the two files, in PEM.
func LoadCertificate(log *slog.Logger, cert, key string) (*Certificate, error) {
	c := &Certificate{log: log, cert: cert, key: key}
	now, err := c.versions()
	if err != nil {
		return nil, err
	}
	return c, c.load(now)
}

// get returns the certificate for a handshake.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, err := c.versions()
	if err == nil && now != c.version {
		err = c.load(now)
	}
	if err != nil {
		c.log.Warn("certificate not renewed", "err", err)
	}
	return c.shown, nil
}

// load reads the files, which are of these versions. It needs c.mu, or to be
// alone.
func (c *Certificate) load(now [2]version) error {
	c.version = now // if they are wrong they are so until they change
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", c.cert, c.key, err)
	}
	c.shown = &pair
	return nil
}

func (c *Certificate) versions() (v [2]version, err error) {
	for i, name := range []string{c.cert, c.key} {
		info, err := os.Stat(name)
		if err != nil {
			return v, fmt.Errorf("certificate: %w", err)
		}
		v[i] = version{info.ModTime(), info.Size()}
	}
	return v, nil
}
