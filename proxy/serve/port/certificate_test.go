// SPDX-License-Identifier: Apache-2.0

package port

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
)

// writeCertificate makes one with the common name name, and writes it.
func writeCertificate(t *testing.T, name, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTLSShowsTheCertificateOfTheMoment(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if _, err := LoadCertificate(nil, cert, key); err == nil || !strings.Contains(err.Error(), cert) {
		t.Errorf("without files: %v", err)
	}
	writeCertificate(t, "first", cert, key)
	var log bytes.Buffer
	c, err := LoadCertificate(slog.New(slog.NewTextHandler(&log, nil)), cert, key)
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, setup{config: Config{Certificate: c}})
	r.url = "https://" + r.addr

	shows := func(want string, http2 bool) {
		t.Helper()
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: http2}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport}
		resp, body := ask(t, client, "POST", r.url+"/rest", "a")
		if got := resp.TLS.PeerCertificates[0].Subject.CommonName; got != want || body != "a" || (resp.ProtoMajor == 2) != http2 {
			t.Errorf("%s: got %q, certificate of %q", resp.Proto, body, got)
		}
		if http2 {
			callGreet(t, r.greeter(client, "Greet", connect.WithGRPC()))
		}
		callGreet(t, r.greeter(client, "Greet"))
	}
	shows("first", true)
	shows("first", false)
	writeCertificate(t, "second", cert, key)
	shows("second", true)
	if err := os.WriteFile(cert, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	shows("second", false)
	shows("second", true)
	if got := strings.Count(log.String(), "can't be used"); got != 1 {
		t.Errorf("%d complaints: %s", got, &log)
	}
	writeCertificate(t, "third", cert, key)
	shows("third", true)
}
