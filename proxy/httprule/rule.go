// SPDX-License-Identifier: Apache-2.0

package httprule

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const get = "GET"

// A Binding is one way in which a method is served over HTTP. It must not be
// changed.
type Binding struct {
	Method   protoreflect.MethodDescriptor
	Verb     string // "GET"; "*" for any
	Template *Template
	Default  bool // whether it is there for want of a rule

	// Fields are those of the template's variables, each a way through nested
	// messages.
	Fields [][]protoreflect.FieldDescriptor

	WholeBody bool                         // whether the body is the request
	Body      protoreflect.FieldDescriptor // the field that is the body; nil if none is
	Response  protoreflect.FieldDescriptor // the field of the reply that is the response; nil for all of it
}

// A Problem is something that is wrong with the rule of a method.
type Problem struct {
	Method protoreflect.FullName
	Rule   string // verb and template, as far as there are any
	Column int    // in the template; 0 if it isn't about a place in it
	Text   string
}

// Error returns the problem as one line for the author of the function.
func (p *Problem) Error() string {
	service, method := p.Method.Parent(), p.Method.Name()
	text := fmt.Sprintf("method %s/%s: HTTP rule", service, method)
	if p.Rule != "" {
		text += " " + p.Rule
	}
	if p.Column > 0 {
		text += fmt.Sprintf(", column %d", p.Column)
	}
	return text + ": " + p.Text
}

// bindings returns the bindings of a method that are right, and what is wrong
// with the others. A method that is left with none is served as one without rules.
func bindings(m protoreflect.MethodDescriptor) ([]*Binding, []*Problem) {
	rule, _ := proto.GetExtension(m.Options(), annotations.E_Http).(*annotations.HttpRule)
	if rule == nil || !proto.HasExtension(m.Options(), annotations.E_Http) {
		return []*Binding{defaultBinding(m)}, nil
	}
	c := compiler{method: m}
	if s := rule.GetSelector(); s != "" && s != string(m.FullName()) {
		c.fail("", 0, "its selector is %q, and should be empty or %q", s, m.FullName())
	}
	c.rule(rule)
	for _, more := range rule.GetAdditionalBindings() {
		if len(more.GetAdditionalBindings()) > 0 {
			c.fail("", 0, "an additional binding can't have additional bindings of its own")
		}
		c.rule(more)
	}
	if len(c.bindings) == 0 {
		c.bindings = append(c.bindings, defaultBinding(m))
	}
	return c.bindings, c.problems
}

func defaultBinding(m protoreflect.MethodDescriptor) *Binding {
	path := Segment{Text: string(m.Parent().FullName())}
	name := Segment{Text: string(m.Name())}
	return &Binding{
		Method:    m,
		Verb:      "POST",
		Template:  &Template{Text: "/" + path.Text + "/" + name.Text, Segments: []Segment{path, name}},
		Default:   true,
		WholeBody: true,
	}
}

// A compiler collects the bindings of one method.
type compiler struct {
	method   protoreflect.MethodDescriptor
	bindings []*Binding
	problems []*Problem
}

func (c *compiler) fail(rule string, column int, format string, args ...any) {
	c.problems = append(c.problems, &Problem{c.method.FullName(), rule, column, fmt.Sprintf(format, args...)})
}

// rule adds the binding of one rule, if all is well with it.
func (c *compiler) rule(rule *annotations.HttpRule) {
	verb, text := pattern(rule)
	if verb == "" {
		c.fail("", 0, "it has no pattern")
		return
	}
	name := fmt.Sprintf("%s %q", verb, text)
	before := len(c.problems)
	if !isToken(verb) && verb != "*" {
		c.fail(name, 0, "%q is no HTTP verb", verb)
	}
	b := &Binding{Method: c.method, Verb: verb}
	b.Template = c.template(name, text)
	if b.Template != nil {
		for _, v := range b.Template.Variables {
			b.Fields = append(b.Fields, c.variable(name, v))
		}
	}
	c.body(name, rule, b)
	if len(c.problems) == before {
		c.bindings = append(c.bindings, b)
	}
}

// pattern returns the verb and the template of a rule.
func pattern(rule *annotations.HttpRule) (verb, template string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return get, p.Get
	case *annotations.HttpRule_Put:
		return "PUT", p.Put
	case *annotations.HttpRule_Post:
		return "POST", p.Post
	case *annotations.HttpRule_Delete:
		return "DELETE", p.Delete
	case *annotations.HttpRule_Patch:
		return "PATCH", p.Patch
	case *annotations.HttpRule_Custom:
		return p.Custom.GetKind(), p.Custom.GetPath()
	}
	return "", ""
}

// isToken reports whether s can be the verb of a request.
func isToken(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_") == ""
}

func (c *compiler) template(name, text string) *Template {
	t, err := Parse(text)
	if wrong, ok := errors.AsType[*SyntaxError](err); ok {
		c.fail(name, wrong.Column, "%s", wrong.Text)
	}
	return t
}

// variable returns the fields that lead to that of a variable.
func (c *compiler) variable(name string, v Variable) []protoreflect.FieldDescriptor {
	var fields []protoreflect.FieldDescriptor
	message := c.method.Input()
	parts := strings.Split(v.Path, ".")
	for i, part := range parts {
		f := message.Fields().ByName(protoreflect.Name(part))
		switch {
		case f == nil:
			c.fail(name, v.Column, "message %s has no field %s", message.FullName(), part)
			return nil
		case f.Cardinality() == protoreflect.Repeated:
			c.fail(name, v.Column, "field %s is repeated, and can't be a variable", f.FullName())
			return nil
		case i < len(parts)-1 && f.Message() == nil:
			c.fail(name, v.Column, "field %s is no message, and has no field %s", f.FullName(), parts[i+1])
			return nil
		case i == len(parts)-1 && f.Message() != nil && !IsText(f.Message()):
			c.fail(name, v.Column, "field %s is a message, and can't be a variable", f.FullName())
			return nil
		}
		fields = append(fields, f)
		message = f.Message()
	}
	return fields
}

// body finds the fields that are the body and the response.
func (c *compiler) body(name string, rule *annotations.HttpRule, b *Binding) {
	switch field := rule.GetBody(); field {
	case "":
	case "*":
		b.WholeBody = true
	default:
		if b.Body = c.method.Input().Fields().ByName(protoreflect.Name(field)); b.Body == nil {
			c.fail(name, 0, "body: message %s has no field %s", c.method.Input().FullName(), field)
		}
	}
	if field := rule.GetResponseBody(); field != "" {
		if b.Response = c.method.Output().Fields().ByName(protoreflect.Name(field)); b.Response == nil {
			c.fail(name, 0, "response_body: message %s has no field %s", c.method.Output().FullName(), field)
		}
	}
}

// IsText reports whether the JSON of a message is one string, number or
// boolean, so that it can stand in a path or a query.
func IsText(m protoreflect.MessageDescriptor) bool {
	switch m.FullName() {
	case "google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask",
		"google.protobuf.DoubleValue", "google.protobuf.FloatValue",
		"google.protobuf.Int64Value", "google.protobuf.UInt64Value",
		"google.protobuf.Int32Value", "google.protobuf.UInt32Value",
		"google.protobuf.BoolValue", "google.protobuf.StringValue", "google.protobuf.BytesValue":
		return true
	}
	return false
}
