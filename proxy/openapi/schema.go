// SPDX-License-Identifier: Apache-2.0

package openapi

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// errorName is the name of the schema of errors. No message can have it.
const errorName = "Error"

func reference(name string) object { return object{{"$ref", "#/components/schemas/" + name}} }

// message returns the schema of a message, which is a reference if it is one of
// the function's.
func (d *describer) message(m protoreflect.MessageDescriptor) any {
	if schema := wellKnown(m); schema != nil {
		return schema
	}
	name := m.FullName()
	if _, known := d.schemas[name]; !known {
		d.schemas[name] = nil // for those that are within themselves
		d.names = append(d.names, name)
		d.schemas[name] = d.object(m)
	}
	return reference(string(name))
}

func (d *describer) object(m protoreflect.MessageDescriptor) object {
	properties := object{}
	var required []any
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		schema := d.field(f)
		if o, ok := schema.(object); ok {
			schema = described(o, f)
		}
		properties = append(properties, member{f.JSONName(), schema})
		if f.Cardinality() == protoreflect.Required {
			required = append(required, f.JSONName())
		}
	}
	o := described(object{{"type", "object"}}, m)
	if len(properties) > 0 {
		o = append(o, member{"properties", properties})
	}
	if len(required) > 0 {
		o = append(o, member{"required", required})
	}
	return o
}

// field returns the schema of a field.
func (d *describer) field(f protoreflect.FieldDescriptor) any {
	switch {
	case f.IsMap():
		return object{{"type", "object"}, {"additionalProperties", d.single(f.MapValue())}}
	case f.IsList():
		return object{{"type", "array"}, {"items", d.single(f)}}
	}
	return d.single(f)
}

// single returns the schema of a field, or of one element of it.
func (d *describer) single(f protoreflect.FieldDescriptor) any {
	switch f.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return d.message(f.Message())
	case protoreflect.EnumKind:
		return d.enum(f.Enum())
	case protoreflect.BoolKind:
		return object{{"type", "boolean"}}
	case protoreflect.StringKind:
		return object{{"type", "string"}}
	case protoreflect.BytesKind:
		return object{{"type", "string"}, {"contentEncoding", "base64"}}
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return object{{"type", "number"}, {"format", f.Kind().String()}}
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return object{{"type", "string"}, {"format", "int64"}}
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return object{{"type", "string"}, {"format", "uint64"}}
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return object{{"type", "integer"}, {"format", "uint32"}, {"minimum", 0}}
	default:
		return object{{"type", "integer"}, {"format", "int32"}}
	}
}

func (d *describer) enum(e protoreflect.EnumDescriptor) any {
	if e.FullName() == "google.protobuf.NullValue" {
		return object{{"type", "null"}}
	}
	name := e.FullName()
	if _, known := d.schemas[name]; !known {
		var values []any
		for i := range e.Values().Len() {
			values = append(values, string(e.Values().Get(i).Name()))
		}
		d.names = append(d.names, name)
		d.schemas[name] = append(described(object{{"type", "string"}}, e), member{"enum", values})
	}
	return reference(string(name))
}

// components returns the schemas that are referred to, by their names.
func (d *describer) components() object {
	slices.Sort(d.names)
	all := object{{errorName, object{
		{"type", "object"},
		{"properties", object{{"error", object{
			{"type", "object"},
			{"properties", object{
				{"code", object{{"type", "integer"}, {"description", "The HTTP status."}}},
				{"message", object{{"type", "string"}}},
				{"status", object{{"type", "string"}, {"description", "The name of the gRPC status."}}},
				{"details", object{{"type", "array"}, {"items", object{{"type", "object"}}}}},
			}},
		}}}},
	}}}
	for _, name := range d.names {
		all = append(all, member{string(name), d.schemas[name]})
	}
	return all
}

// isFree reports whether the JSON of a message can be anything.
func isFree(m protoreflect.MessageDescriptor) bool {
	switch m.FullName() {
	case "google.protobuf.Any", "google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue":
		return true
	}
	return false
}

// wellKnown returns the schema of a message whose JSON is special, or nil.
func wellKnown(m protoreflect.MessageDescriptor) any {
	switch m.FullName() {
	case "google.protobuf.Timestamp":
		return object{{"type", "string"}, {"format", "date-time"}}
	case "google.protobuf.Duration":
		return object{{"type", "string"}, {"pattern", `^-?[0-9]+(\.[0-9]{1,9})?s$`}}
	case "google.protobuf.FieldMask":
		return object{{"type", "string"}}
	case "google.protobuf.Struct":
		return object{{"type", "object"}}
	case "google.protobuf.Value":
		return object{}
	case "google.protobuf.ListValue":
		return object{{"type", "array"}, {"items", object{}}}
	case "google.protobuf.Any":
		return object{{"type", "object"}, {"properties", object{{"@type", object{{"type", "string"}}}}}}
	case "google.protobuf.Empty":
		return object{{"type", "object"}}
	}
	if f := m.Fields().ByName("value"); f != nil && strings.HasSuffix(string(m.FullName()), "Value") && m.ParentFile().Package() == "google.protobuf" {
		return wrapped(f)
	}
	return nil
}

// wrapped returns the schema of a wrapper of a field.
func wrapped(f protoreflect.FieldDescriptor) any {
	o, ok := (&describer{}).single(f).(object)
	if !ok {
		return object{}
	}
	o = slices.Clone(o)
	o[0].value = []any{o[0].value, "null"}
	return o
}

// described adds the comment of a descriptor to what describes it.
func described(o object, of protoreflect.Descriptor) object {
	if comment := commentOf(of); comment != "" && !o.has("$ref") {
		return append(slices.Clip(o), member{"description", comment})
	}
	return o
}

// commentOf returns the comment before a descriptor.
func commentOf(d protoreflect.Descriptor) string {
	text := d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return strings.Join(lines, "\n")
}
