// SPDX-License-Identifier: Apache-2.0

package validate

import (
	"iter"

	pb "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/kairn-dev/kairn/proxy/route"
)

// methods returns the methods of a catalogue.
func methods(c *route.Catalogue) iter.Seq[protoreflect.MethodDescriptor] {
	return func(yield func(protoreflect.MethodDescriptor) bool) {
		for _, e := range c.Entities() {
			d, err := c.Files().FindDescriptorByName(protoreflect.FullName(e.Service))
			service, ok := d.(protoreflect.ServiceDescriptor)
			if err != nil || !ok {
				continue
			}
			for i := range service.Methods().Len() {
				if !yield(service.Methods().Get(i)) {
					return
				}
			}
		}
	}
}

// hasRules reports whether a message has rules, in itself or in what it can
// contain.
func hasRules(m protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if seen[m.FullName()] {
		return false
	}
	seen[m.FullName()] = true
	if proto.HasExtension(m.Options(), pb.E_Message) {
		return true
	}
	for i := range m.Oneofs().Len() {
		if proto.HasExtension(m.Oneofs().Get(i).Options(), pb.E_Oneof) {
			return true
		}
	}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if proto.HasExtension(f.Options(), pb.E_Field) || f.Message() != nil && hasRules(f.Message(), seen) {
			return true
		}
	}
	return false
}
