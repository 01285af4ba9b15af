// SPDX-License-Identifier: Apache-2.0

package openapi

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/kairn-dev/kairn/proxy/httprule"
)

// pathParameters describes the variables of a path, in their order.
func (d *describer) pathParameters(b *httprule.Binding, p *path) []any {
	var all []any
	place := 0
	for i := 0; i < len(b.Template.Segments); i++ {
		name, end := variableAt(b.Template, i)
		if name == "" {
			continue
		}
		parameter := object{{"name", p.names[place]}, {"in", "path"}, {"required", true}}
		var schema any = object{{"type", "string"}}
		v := slices.IndexFunc(b.Template.Variables, func(v httprule.Variable) bool { return v.Start == i })
		if v >= 0 {
			fields := b.Fields[v]
			schema = d.single(fields[len(fields)-1])
			parameter = described(parameter, fields[len(fields)-1])
			if b.Template.Variables[v].Several && !parameter.has("description") {
				parameter = append(parameter, member{"description", "Takes " + takes(b.Template, i, end) + "."})
			}
		}
		all = append(all, append(parameter, member{"schema", schema}))
		place++
		i = end - 1
	}
	return all
}

// takes returns what some segments of a template take, as text.
func takes(t *httprule.Template, from, to int) string {
	var parts []string
	for _, s := range t.Segments[from:to] {
		switch s.Kind {
		case httprule.Literal:
			parts = append(parts, s.Text)
		case httprule.One:
			parts = append(parts, "*")
		case httprule.Rest:
			parts = append(parts, "**")
		}
	}
	return strings.Join(parts, "/")
}

// queryParameters describes the fields that are neither in the path nor in the
// body.
func (d *describer) queryParameters(b *httprule.Binding) []any {
	if b.WholeBody {
		return nil
	}
	q := query{describer: d, binding: b}
	q.fields(b.Method.Input(), nil, nil)
	return q.parameters
}

// A query collects the parameters of one.
type query struct {
	*describer
	binding    *httprule.Binding
	parameters []any
}

// fields adds the fields of a message at the end of path, unless within is in
// itself.
func (q *query) fields(m protoreflect.MessageDescriptor, path []protoreflect.FieldDescriptor, within []protoreflect.FullName) {
	if slices.Contains(within, m.FullName()) {
		return
	}
	within = append(slices.Clip(within), m.FullName())
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		to := append(slices.Clip(path), f)
		switch {
		case f.IsMap() || q.taken(to):
		case f.Message() == nil || httprule.IsText(f.Message()):
			q.add(to)
		case f.IsList() || isFree(f.Message()):
		default:
			q.fields(f.Message(), to, within)
		}
	}
}

// taken reports whether a field is in the path or in the body.
func (q *query) taken(fields []protoreflect.FieldDescriptor) bool {
	if body := q.binding.Body; body != nil && fields[0].Number() == body.Number() {
		return true
	}
	return slices.ContainsFunc(q.binding.Fields, func(of []protoreflect.FieldDescriptor) bool {
		return slices.EqualFunc(of, fields, func(a, b protoreflect.FieldDescriptor) bool { return a.FullName() == b.FullName() })
	})
}

func (q *query) add(fields []protoreflect.FieldDescriptor) {
	var names []string
	for _, f := range fields {
		names = append(names, f.JSONName())
	}
	f := fields[len(fields)-1]
	parameter := described(object{{"name", strings.Join(names, ".")}, {"in", "query"}}, f)
	q.parameters = append(q.parameters, append(parameter, member{"schema", q.field(f)}))
}
