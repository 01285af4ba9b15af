// SPDX-License-Identifier: Apache-2.0

// Package openapi describes how methods are served over HTTP as an OpenAPI 3.1
// document, made of the function's descriptors and, where these have them, of the
// comments in its .proto files.
//
// Each binding of a method is an operation. Templates that differ only in the names
// of their variables are one path, named as the first of them; a variable of
// several segments is one parameter, whose description says what it takes. Verbs
// that OpenAPI has no place for are left out, and a rule for any verb is described
// as GET and POST. Schemas are those of the JSON that package transcode
// writes.
package openapi

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/kairn-dev/kairn/proxy/httprule"
)

// Info says what a document is about.
type Info struct {
	Title   string
	Version string
}

// A Document is an OpenAPI document.
type Document struct{ root object }

// New describes the bindings of the methods of services.
func New(info Info, services []protoreflect.ServiceDescriptor, bindings []*httprule.Binding) *Document {
	d := &describer{
		paths:   map[string]*path{},
		ids:     map[string]int{},
		schemas: map[protoreflect.FullName]any{},
	}
	for _, b := range bindings {
		d.binding(b)
	}
	paths := object{}
	for _, p := range d.order {
		paths = append(paths, member{p.text, p.operations})
	}
	var tags []any
	for _, s := range services {
		tag := object{{"name", string(s.FullName())}}
		tags = append(tags, described(tag, s))
	}
	return &Document{object{
		{"openapi", "3.1.0"},
		{"info", object{{"title", info.Title}, {"version", info.Version}}},
		{"tags", tags},
		{"paths", paths},
		{"components", object{{"schemas", d.components()}}},
	}}
}

// A describer collects what is in a document.
type describer struct {
	paths   map[string]*path // by their text without the names of variables
	order   []*path
	ids     map[string]int // how many operations there are of a method
	schemas map[protoreflect.FullName]any
	names   []protoreflect.FullName // of schemas, as they came
}

// A path is what is served at one template.
type path struct {
	text       string
	names      []string // of its parameters
	operations object
}

// verbs are those that OpenAPI has.
var verbs = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

func (d *describer) binding(b *httprule.Binding) {
	as := []string{strings.ToLower(b.Verb)}
	if b.Verb == "*" {
		as = []string{"get", "post"}
	}
	for _, verb := range as {
		if !slices.Contains(verbs, verb) {
			continue
		}
		p := d.path(b.Template)
		if !p.operations.has(verb) {
			p.operations = append(p.operations, member{verb, d.operation(b, p, verb != "get" || b.Verb != "*")})
		}
	}
}

// path returns the path of a template.
func (d *describer) path(t *httprule.Template) *path {
	var text, shape strings.Builder
	p := new(path)
	for i := 0; i < len(t.Segments); i++ {
		s := t.Segments[i]
		text.WriteByte('/')
		shape.WriteByte('/')
		if name, end := variableAt(t, i); name != "" {
			p.names = append(p.names, name)
			text.WriteString("{" + name + "}")
			shape.WriteString("{}")
			i = end - 1
			continue
		}
		text.WriteString(s.Text)
		shape.WriteString(s.Text)
	}
	if len(t.Segments) == 0 {
		text.WriteByte('/')
	}
	if t.Verb != "" {
		text.WriteString(":" + t.Verb)
		shape.WriteString(":" + t.Verb)
	}
	if known := d.paths[shape.String()]; known != nil {
		return known
	}
	p.text = text.String()
	d.paths[shape.String()] = p
	d.order = append(d.order, p)
	return p
}

// variableAt returns the name of what stands for the segment i of a template, ""
// if it is a literal, and the segment after that.
func variableAt(t *httprule.Template, i int) (name string, end int) {
	for _, v := range t.Variables {
		if v.Start == i {
			return v.Path, v.End
		}
	}
	if t.Segments[i].Kind == httprule.Literal {
		return "", 0
	}
	return fmt.Sprintf("segment%d", i+1), i + 1
}

func (d *describer) operation(b *httprule.Binding, p *path, body bool) object {
	m := b.Method
	id := string(m.Parent().Name()) + "_" + string(m.Name())
	d.ids[id]++
	if n := d.ids[id]; n > 1 {
		id = fmt.Sprintf("%s_%d", id, n)
	}
	op := object{{"operationId", id}, {"tags", []any{string(m.Parent().FullName())}}}
	if comment := commentOf(m); comment != "" {
		summary, _, _ := strings.Cut(comment, "\n")
		op = append(op, member{"summary", summary}, member{"description", comment})
	}
	if options, ok := m.Options().(*descriptorpb.MethodOptions); ok && options.GetDeprecated() {
		op = append(op, member{"deprecated", true})
	}
	if parameters := append(d.pathParameters(b, p), d.queryParameters(b)...); len(parameters) > 0 {
		op = append(op, member{"parameters", parameters})
	}
	if body && (b.WholeBody || b.Body != nil) {
		op = append(op, member{"requestBody", d.body(b)})
	}
	return append(op, member{"responses", object{
		{"200", d.response(b)},
		{"default", object{
			{"description", "An error."},
			{"content", content(reference(errorName), "application/json")},
		}},
	}})
}

func (d *describer) body(b *httprule.Binding) object {
	o := object{{"required", true}}
	if b.Method.IsStreamingClient() {
		o = append(o, member{"description", "One JSON value after the other, each a message."})
	}
	if b.WholeBody {
		if b.Method.Input().FullName() == httpBody {
			return append(o, member{"content", content(object{}, "*/*")})
		}
		return append(o, member{"content", content(d.message(b.Method.Input()), "application/json")})
	}
	if isRaw(b.Body) {
		return append(o, member{"content", content(object{}, "*/*")})
	}
	return append(o, member{"content", content(d.field(b.Body), "application/json")})
}

func (d *describer) response(b *httprule.Binding) object {
	m := b.Method
	if b.Response == nil && m.Output().FullName() == httpBody || isRaw(b.Response) {
		return object{{"description", "The content."}, {"content", content(object{}, "*/*")}}
	}
	var schema any
	if b.Response != nil {
		schema = d.field(b.Response)
	} else {
		schema = d.message(m.Output())
	}
	if m.IsStreamingServer() {
		return object{
			{"description", "A message on each line, or in each event."},
			{"content", content(schema, "application/json", "application/x-ndjson", "text/event-stream")},
		}
	}
	return object{{"description", "The reply."}, {"content", content(schema, "application/json")}}
}

func content(schema any, types ...string) object {
	var o object
	for _, t := range types {
		o = append(o, member{t, object{{"schema", schema}}})
	}
	return o
}

const httpBody = "google.api.HttpBody"

func isRaw(f protoreflect.FieldDescriptor) bool {
	return f != nil && f.Message() != nil && f.Cardinality() != protoreflect.Repeated && f.Message().FullName() == httpBody
}
