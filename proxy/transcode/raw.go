// SPDX-License-Identifier: Apache-2.0

package transcode

import (
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kairn-dev/kairn/proxy/httprule"
)

// httpBody is a message whose content is a body as it is.
const httpBody = "google.api.HttpBody"

// TakesRaw reports whether the body of a request isn't JSON, but taken as it is.
func TakesRaw(b *httprule.Binding) bool {
	if b.WholeBody {
		return b.Method.Input().FullName() == httpBody
	}
	return isRaw(b.Body)
}

// GivesRaw reports whether a reply isn't JSON, but given as it is.
func GivesRaw(b *httprule.Binding) bool {
	if b.Response == nil {
		return b.Method.Output().FullName() == httpBody
	}
	return isRaw(b.Response)
}

func isRaw(f protoreflect.FieldDescriptor) bool {
	return f != nil && f.Message() != nil && f.Cardinality() != protoreflect.Repeated && f.Message().FullName() == httpBody
}

// RawReply returns the body that a reply is.
func (c *Codec) RawReply(b *httprule.Binding, payload []byte) (Body, error) {
	m := dynamicpb.NewMessage(b.Method.Output())
	if err := c.decode.Unmarshal(payload, m); err != nil {
		return Body{}, c.broken(b, err)
	}
	raw := m.ProtoReflect()
	if b.Response != nil {
		raw = raw.Get(b.Response).Message()
	}
	fields := raw.Descriptor().Fields()
	return Body{
		Type: raw.Get(fields.ByName("content_type")).String(),
		Data: raw.Get(fields.ByName("data")).Bytes(),
	}, nil
}
