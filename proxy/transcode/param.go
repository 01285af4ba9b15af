// SPDX-License-Identifier: Apache-2.0

package transcode

import (
	"net/url"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/kairn-dev/kairn/proxy/httprule"
)

// readVariables puts the variables of the path into m.
func readVariables(b *httprule.Binding, m *dynamicpb.Message, values []string) error {
	for i, text := range values {
		fields := b.Fields[i]
		last := len(fields) - 1
		at := m.ProtoReflect()
		for _, f := range fields[:last] {
			at = at.Mutable(f).Message()
		}
		v, err := parse(fields[last], text)
		if err != nil {
			return invalid(b.Template.Variables[i].Path, "%s", err.Error())
		}
		at.Set(fields[last], v)
	}
	return nil
}

// readQuery puts the parameters of a query into m.
func readQuery(b *httprule.Binding, m *dynamicpb.Message, query string) error {
	q := queryReader{binding: b, message: m}
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return invalid("", "query parameter %q is badly encoded", part)
		}
		text, err := url.QueryUnescape(value)
		if err != nil {
			return invalid(name, "the query parameter's value %q is badly encoded", value)
		}
		if err := q.read(name, text); err != nil {
			return err
		}
	}
	return nil
}

// A queryReader takes the parameters of a query one by one.
type queryReader struct {
	binding *httprule.Binding
	message *dynamicpb.Message
	seen    []string // fields that take no second one, by their paths
}

// read takes one parameter.
func (q *queryReader) read(name, text string) error {
	fields, err := q.resolve(name)
	if err != nil {
		return err
	}
	if err := q.free(name, fields); err != nil {
		return err
	}
	last := len(fields) - 1
	at := q.message.ProtoReflect()
	for _, f := range fields[:last] {
		if err := alone(name, at, f); err != nil {
			return err
		}
		at = at.Mutable(f).Message()
	}
	f := fields[last]
	if err := alone(name, at, f); err != nil {
		return err
	}
	v, err := parse(f, text)
	if err != nil {
		return invalid(name, "%s", err.Error())
	}
	if f.IsList() {
		at.Mutable(f).List().Append(v)
		return nil
	}
	path := pathOf(fields)
	if slices.Contains(q.seen, path) {
		return invalid(name, "the query parameter is there twice, and the field isn't repeated")
	}
	q.seen = append(q.seen, path)
	at.Set(f, v)
	return nil
}

// resolve returns the fields that lead to that of a parameter.
func (q *queryReader) resolve(name string) ([]protoreflect.FieldDescriptor, error) {
	var fields []protoreflect.FieldDescriptor
	d := q.message.Descriptor()
	for part := range strings.SplitSeq(name, ".") {
		if len(fields) > 0 {
			f := fields[len(fields)-1]
			if f.Message() == nil || f.Cardinality() == protoreflect.Repeated {
				return nil, invalid(name, "the query parameter leads into %s, which has no fields of its own", f.FullName())
			}
			d = f.Message()
		}
		f := d.Fields().ByJSONName(part)
		if f == nil {
			f = d.Fields().ByTextName(part)
		}
		if f == nil {
			return nil, invalid(name, "no such query parameter: message %s has no field %q", d.FullName(), part)
		}
		if f.IsMap() {
			return nil, invalid(name, "a map can't be a query parameter")
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// free checks that nothing else of the request is the field.
func (q *queryReader) free(name string, fields []protoreflect.FieldDescriptor) error {
	if body := q.binding.Body; body != nil && fields[0].Number() == body.Number() {
		return invalid(name, "the field is in the body, and can't be a query parameter too")
	}
	for _, of := range q.binding.Fields {
		if slices.EqualFunc(of, fields, func(a, b protoreflect.FieldDescriptor) bool { return a.FullName() == b.FullName() }) {
			return invalid(name, "the field is in the path, and can't be a query parameter too")
		}
	}
	return nil
}

// alone checks that no other field of the oneof of f is set.
func alone(name string, m protoreflect.Message, f protoreflect.FieldDescriptor) error {
	of := f.ContainingOneof()
	if of == nil {
		return nil
	}
	if other := m.WhichOneof(of); other != nil && other.Number() != f.Number() {
		return invalid(name, "only one of %s and %s can be set", other.JSONName(), f.JSONName())
	}
	return nil
}

// pathOf returns the path of the last of fields.
func pathOf(fields []protoreflect.FieldDescriptor) string {
	var names []string
	for _, f := range fields {
		names = append(names, string(f.Name()))
	}
	return strings.Join(names, ".")
}
