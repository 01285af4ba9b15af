// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// The ways to call besides grpc-go.
const (
	WayHTTP2     = "grpc-http2"       // gRPC by the HTTP/2 client of package http
	WayGRPCFirst = "mixed-grpc-first" // every second call REST, on the same connection
	WayRESTFirst = "mixed-rest-first"
	WayREST      = "rest"       // JSON over HTTP/1.1, a connection for each worker
	WayRESTHTTP2 = "rest-http2" // by the client of package http
)

// An httpCaller calls over HTTP.
type httpCaller struct {
	way    string
	client *http.Client
	base   string // URL of the service's methods
	frames [][]byte
	bodies [][]byte // JSON

	workers []httpWorker
	first   sync.Once
}

// An httpWorker belongs to one worker.
type httpWorker struct {
	calls int
	conn  net.Conn // of WayREST
	in    *bufio.Reader
}

func newHTTPCaller(job Job, requests [][]byte) *httpCaller {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	h := &httpCaller{
		way:     job.Way,
		client:  &http.Client{Transport: &http.Transport{Protocols: &p}},
		base:    "http://" + job.Addr + "/kairn.bench." + job.Service + "/" + job.Method,
		workers: make([]httpWorker, job.Workers),
	}
	payload := base64.StdEncoding.EncodeToString(make([]byte, 123)) // so that a body has 200 bytes
	for k, r := range requests {
		h.frames = append(h.frames, append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(r))), r...))
		h.bodies = append(h.bodies, fmt.Appendf(nil, `{"id":"%s-%06d","payload":"%s"}`, job.Prefix, k, payload))
	}
	return h
}

func (h *httpCaller) call(ctx context.Context, worker, key int) error {
	w := &h.workers[worker]
	w.calls++
	switch h.way {
	case WayREST:
		return h.rest1(ctx, w, key)
	case WayRESTHTTP2:
		return h.rest(ctx, key)
	case WayHTTP2:
		return h.grpc(ctx, key)
	}
	var err error
	h.first.Do(func() { // the connection's first request
		if h.way == WayGRPCFirst {
			err = h.grpc(ctx, key)
		} else {
			err = h.rest(ctx, key)
		}
	})
	switch {
	case err != nil:
		return err
	case w.calls%2 == 0:
		return h.rest(ctx, key)
	}
	return h.grpc(ctx, key)
}

func (h *httpCaller) grpc(ctx context.Context, key int) error {
	resp, reply, err := h.post(ctx, "application/grpc", h.frames[key])
	if err != nil {
		return err
	}
	if s := resp.Trailer.Get("Grpc-Status"); s != "0" || len(reply) <= 5 {
		return fmt.Errorf("gRPC answered %d bytes, status %q %s", len(reply), s, resp.Header)
	}
	return nil
}

func (h *httpCaller) rest(ctx context.Context, key int) error {
	resp, reply, err := h.post(ctx, "application/json", h.bodies[key])
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || len(reply) < 3 {
		return fmt.Errorf("REST answered %d %s", resp.StatusCode, reply)
	}
	return nil
}

func (h *httpCaller) post(ctx context.Context, media string, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.base, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header["Content-Type"] = []string{media}
	req.Header["Te"] = []string{"trailers"}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	reply, err := io.ReadAll(resp.Body)
	return resp, reply, errors.Join(err, resp.Body.Close())
}

// rest1 calls with as little of HTTP/1.1 as there can be, since whatever the
// generator uses is missing to what it measures.
func (h *httpCaller) rest1(ctx context.Context, w *httpWorker, key int) error {
	addr, path, _ := strings.Cut(strings.TrimPrefix(h.base, "http://"), "/")
	if w.conn == nil {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		w.conn, w.in = conn, bufio.NewReader(conn)
	}
	body := h.bodies[key]
	request := fmt.Appendf(nil, "POST /%s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	if _, err := w.conn.Write(request); err != nil {
		return err
	}
	status, size := "", -1
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		text := strings.TrimSuffix(string(line), "\r\n")
		if name, value, ok := strings.Cut(text, ": "); ok && strings.EqualFold(name, "Content-Length") {
			if size, err = strconv.Atoi(value); err != nil {
				return err
			}
		}
		if status == "" {
			status = text
		}
		if text == "" {
			break
		}
	}
	if status != "HTTP/1.1 200 OK" || size < 3 {
		return fmt.Errorf("REST answered %q with %d bytes", status, size)
	}
	_, err := w.in.Discard(size)
	return err
}

func (h *httpCaller) close() {
	h.client.CloseIdleConnections()
	for _, w := range h.workers {
		if w.conn != nil {
			_ = w.conn.Close() // the calls are over
		}
	}
}
