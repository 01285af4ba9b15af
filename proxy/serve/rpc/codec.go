// SPDX-License-Identifier: Apache-2.0

package rpc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kairn-dev/kairn/proxy/route"
	"github.com/kairn-dev/kairn/proxy/serve"
)

// codecs knows the types of the catalogue of the moment.
type codecs struct {
	catalogue func() (*route.Catalogue, error)
	last      atomic.Pointer[types]
}

// types are those of one catalogue.
type types struct {
	of  *route.Catalogue
	all *dynamicpb.Types
}

// types returns those of the catalogue of the moment, nil if there is none.
func (c *codecs) types() *dynamicpb.Types {
	catalogue, err := c.catalogue()
	if err != nil {
		return nil
	}
	if last := c.last.Load(); last != nil && last.of == catalogue {
		return last.all
	}
	all := dynamicpb.NewTypes(catalogue.Files())
	c.last.Store(&types{catalogue, all})
	return all
}

// decode makes v, a [serve.Raw] or a message, of what came. The error is a
// status.
func (s *stream) decode(payload []byte, v any) error {
	switch v := v.(type) {
	case *serve.Raw:
		if !s.form.json || s.method == nil {
			v.Bytes = payload
			return nil
		}
		m := dynamicpb.NewMessage(s.method.Descriptor.Input())
		if err := s.parse(payload, m); err != nil {
			return err
		}
		encoded, err := proto.MarshalOptions{AllowPartial: true}.Marshal(m)
		if err != nil {
			return invalid("%v", err)
		}
		v.Bytes = encoded
		return nil
	case proto.Message:
		return s.parse(payload, v)
	}
	return status.Errorf(codes.Internal, "receiving a %T", v)
}

// parse reads a message in the codec of the call.
func (s *stream) parse(payload []byte, m proto.Message) error {
	var err error
	if s.form.json {
		o := protojson.UnmarshalOptions{DiscardUnknown: true, AllowPartial: true}
		if types := s.handler.codecs.types(); types != nil {
			o.Resolver = types
		}
		err = o.Unmarshal(payload, m)
	} else {
		err = proto.Unmarshal(payload, m)
	}
	if err != nil {
		return invalid("%v", err)
	}
	return nil
}

// encode makes bytes of v, a [serve.Raw] or a message. The error is a status.
func (s *stream) encode(v any) ([]byte, error) {
	switch v := v.(type) {
	case *serve.Raw:
		if !s.form.json || s.method == nil {
			return v.Bytes, nil
		}
		return s.toJSON(v.Bytes, s.method.Descriptor.Output())
	case proto.Message:
		if s.form.json {
			return s.print(v)
		}
		encoded, err := proto.Marshal(v)
		return encoded, internal(err)
	}
	return nil, status.Errorf(codes.Internal, "sending a %T", v)
}

// toJSON returns an encoded message of type d as JSON.
func (s *stream) toJSON(encoded []byte, d protoreflect.MessageDescriptor) ([]byte, error) {
	m := dynamicpb.NewMessage(d)
	if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(encoded, m); err != nil {
		return nil, internal(fmt.Errorf("the reply is not a %s: %w", d.FullName(), err))
	}
	return s.print(m)
}

// print returns m as JSON without the spaces that protojson puts in at random.
func (s *stream) print(m proto.Message) ([]byte, error) {
	o := protojson.MarshalOptions{AllowPartial: true}
	if types := s.handler.codecs.types(); types != nil {
		o.Resolver = types
	}
	text, err := o.Marshal(m)
	if err != nil {
		return nil, internal(err)
	}
	var compact bytes.Buffer
	compact.Grow(len(text))
	err = json.Compact(&compact, text)
	return compact.Bytes(), internal(err)
}

func invalid(format string, args ...any) error {
	return status.Error(codes.InvalidArgument, "invalid request: "+fmt.Sprintf(format, args...))
}

// internal makes a status of an error that isn't the client's fault.
func internal(err error) error {
	if err == nil {
		return nil
	}
	return status.Error(codes.Internal, err.Error())
}
