// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"net/http"
	"strings"
)

// A Protocol is a way in which calls come.
type Protocol int

// The protocols.
const (
	None Protocol = iota // not a call of this package
	GRPC
	GRPCWeb
	Connect
)

// A form is how exactly a call comes and is answered.
type form struct {
	protocol Protocol
	json     bool   // whether messages are JSON, otherwise protobuf
	text     bool   // whether all is base64
	unary    bool   // whether the body is one message, without frames
	get      bool   // whether the message is in the query
	foreign  bool   // whether messages are neither protobuf nor JSON
	media    string // of the request and of an answer with messages
}

// Of returns the protocol of a request.
func Of(r *http.Request) Protocol { return formOf(r).protocol }

func formOf(r *http.Request) form {
	if r.Method == http.MethodGet {
		return formOfGet(r)
	}
	types := r.Header["Content-Type"]
	if len(types) == 0 {
		return form{}
	}
	media, _, _ := strings.Cut(types[0], ";")
	media = strings.ToLower(strings.TrimRight(media, " "))
	f := form{media: media}
	rest, ok := strings.CutPrefix(media, "application/")
	switch {
	case !ok:
		return form{}
	case strings.HasPrefix(rest, "grpc"):
		return f.ofGRPC(rest[len("grpc"):])
	case strings.HasPrefix(rest, "connect+"):
		f.protocol = Connect
		return f.ofCodec(rest[len("connect"):])
	case rest == "proto", rest == "json" && r.Header["Connect-Protocol-Version"] != nil:
		f.protocol, f.unary = Connect, true
		return f.ofCodec("+" + rest)
	}
	return form{}
}

// ofGRPC completes f with what comes after application/grpc.
func (f form) ofGRPC(rest string) form {
	f.protocol = GRPC
	if web, ok := strings.CutPrefix(rest, "-web"); ok {
		f.protocol, rest = GRPCWeb, web
		if text, ok := strings.CutPrefix(web, "-text"); ok {
			f.text, rest = true, text
		}
	}
	return f.ofCodec(rest)
}

// ofCodec completes f with the suffix of its type.
func (f form) ofCodec(suffix string) form {
	switch suffix {
	case "", "+proto":
	case "+json":
		f.json = true
	default:
		f.foreign = true
	}
	return f
}

// formOfGet looks for what the Connect protocol has in a query.
func formOfGet(r *http.Request) form {
	if !strings.Contains(r.URL.RawQuery, "connect=v1") {
		return form{}
	}
	query := r.URL.Query()
	if query.Get("connect") != "v1" {
		return form{}
	}
	f := form{protocol: Connect, unary: true, get: true, media: "application/" + query.Get("encoding")}
	return f.ofCodec("+" + query.Get("encoding"))
}
