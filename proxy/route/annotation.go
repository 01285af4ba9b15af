// SPDX-License-Identifier: Apache-2.0

package route

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The generations after Cloudstate have one message of number 1080 in the options
// of everything. These are its fields that say something to a proxy.
const (
	annotation = keyOption

	aclOfFile    protowire.Number = 4
	aclOfService protowire.Number = 3
	aclOfMethod  protowire.Number = 5
	jwtOfMethod  protowire.Number = 3
	jwtOfMessage protowire.Number = 1
	keyOfMethod  protowire.Number = 4 // how keys are made for commands that have none
)

// annotated returns the content of a field of the message in the options of d.
// The last one counts, or all of them if it is a message: that is how its parts
// are put together.
func annotated(d protoreflect.Descriptor, num protowire.Number) (content []byte, found bool) {
	raw, err := proto.MarshalOptions{AllowPartial: true}.Marshal(d.Options())
	if err != nil {
		return nil, false
	}
	eachField(raw, func(n protowire.Number, _ uint64, msg []byte) {
		if n != annotation {
			return
		}
		eachField(msg, func(n protowire.Number, _ uint64, value []byte) {
			if n == num {
				content, found = append(content, value...), true
			}
		})
	})
	return content, found
}

// eachField calls f for each field of msg, as far as that can be read, with the
// value of a varint or the bytes of what has a length.
func eachField(msg []byte, f func(num protowire.Number, varint uint64, content []byte)) {
	for len(msg) > 0 {
		num, typ, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return
		}
		msg = msg[n:]
		n = protowire.ConsumeFieldValue(num, typ, msg)
		if n < 0 {
			return
		}
		switch typ {
		case protowire.VarintType:
			v, _ := protowire.ConsumeVarint(msg)
			f(num, v, nil)
		case protowire.BytesType:
			b, _ := protowire.ConsumeBytes(msg)
			f(num, 0, b)
		}
		msg = msg[n:]
	}
}

// annotations looks at what the annotations of a method ask for. What would keep
// a caller out is refused: to serve it to everybody would be worse.
func (p *parser) annotations(m *Method) {
	d := m.Descriptor
	if !admitsAll(d) {
		p.fail("method %s/%s: its access control list keeps callers out: this is not supported", m.Service, m.Name)
	}
	ofMethod, _ := annotated(d, jwtOfMethod)
	ofRequest, _ := annotated(d.Input(), jwtOfMessage)
	if len(ofMethod) > 0 || len(ofRequest) > 0 {
		p.fail("method %s/%s: it wants tokens (JWT) of its callers: this is not supported", m.Service, m.Name)
	}
	generator, _ := annotated(d, keyOfMethod)
	eachField(generator, func(num protowire.Number, version uint64, _ []byte) {
		if num == 1 {
			m.NewKey = version == 1
		}
	})
}

// admitsAll reports whether the access control list that holds for d, its own or else
// that of its service or file, lets callers from everywhere in.
func admitsAll(d protoreflect.MethodDescriptor) bool {
	acl, found := annotated(d, aclOfMethod)
	if !found {
		acl, found = annotated(d.Parent(), aclOfService)
	}
	if !found {
		acl, found = annotated(d.ParentFile(), aclOfFile)
	}
	if !found {
		return true
	}
	const allow, deny = 1, 2
	var allowed, denied bool
	eachField(acl, func(num protowire.Number, _ uint64, matcher []byte) {
		allowed = allowed || num == allow && everybody(matcher)
		denied = denied || num == deny
	})
	return allowed && !denied
}

// everybody reports whether a matcher fits all callers, or all from outside.
func everybody(matcher []byte) bool {
	const principal = 1
	var principals []uint64
	eachField(matcher, func(num protowire.Number, value uint64, _ []byte) {
		if num == principal {
			principals = append(principals, value)
		}
	})
	const all, internet = 1, 2
	return slices.ContainsFunc(principals, func(v uint64) bool { return v == all || v == internet })
}
