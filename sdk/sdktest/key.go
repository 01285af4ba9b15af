// SPDX-License-Identifier: Apache-2.0

package sdktest

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/kairn-dev/kairn/proto/cloudstate"
)

// entityKey returns the text of the request's key. Several fields are joined
// in a way that keeps different keys apart.
func entityKey(request proto.Message) (string, error) {
	m := request.ProtoReflect()
	var parts []string
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		if isKey(f) {
			parts = append(parts, keyText(f, m.Get(f)))
		}
	}
	switch len(parts) {
	case 0:
		return "", fmt.Errorf("%s has no field with the option (cloudstate.entity_key) = true", m.Descriptor().FullName())
	case 1:
		return parts[0], nil
	}
	for i, p := range parts {
		parts[i] = strings.NewReplacer(`\`, `\\`, "-", `\-`).Replace(p)
	}
	return strings.Join(parts, "-"), nil
}

func isKey(f protoreflect.FieldDescriptor) bool {
	key, _ := proto.GetExtension(f.Options(), cloudstate.E_EntityKey).(bool)
	legacy, _ := proto.GetExtension(f.Options(), cloudstate.E_LegacyEntityKey).(bool)
	return key || legacy
}

func keyText(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if f.Kind() == protoreflect.EnumKind {
		if e := f.Enum().Values().ByNumber(v.Enum()); e != nil {
			return string(e.Name())
		}
		return strconv.Itoa(int(v.Enum()))
	}
	if f.Kind() == protoreflect.BytesKind {
		return string(v.Bytes())
	}
	return v.String()
}

// fromMD turns gRPC's metadata into the protocol's; nil if there is none.
func fromMD(md metadata.MD) *cloudstate.Metadata {
	if len(md) == 0 {
		return nil
	}
	m := &cloudstate.Metadata{}
	for key, values := range md {
		for _, v := range values {
			e := &cloudstate.MetadataEntry{Key: key, Value: &cloudstate.MetadataEntry_StringValue{StringValue: v}}
			if strings.HasSuffix(key, "-bin") {
				e.Value = &cloudstate.MetadataEntry_BytesValue{BytesValue: []byte(v)}
			}
			m.Entries = append(m.Entries, e)
		}
	}
	return m
}

// toMD turns the protocol's metadata into gRPC's.
func toMD(m *cloudstate.Metadata) metadata.MD {
	md := metadata.MD{}
	for _, e := range m.GetEntries() {
		switch v := e.GetValue().(type) {
		case *cloudstate.MetadataEntry_StringValue:
			md.Append(e.GetKey(), v.StringValue)
		case *cloudstate.MetadataEntry_BytesValue:
			md.Append(e.GetKey(), string(v.BytesValue))
		}
	}
	return md
}
