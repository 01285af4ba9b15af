// SPDX-License-Identifier: Apache-2.0

// Package httprule says which method an HTTP request is for, by the rules that
// the function's descriptors have in google.api.http.
//
// [Compile] makes a [Table] of the methods of a function. A rule that is wrong
// is left out and comes back as a [Problem], with the method, the template and
// the column; all others serve. [Table.Match] finds the [Binding] for a verb
// and a path, and the texts of the template's variables.
//
// # Rules
//
// A method with a rule is served by it and by its additional bindings; one
// without is served by POST /<service>/<Method>, its body the whole request.
//
//	Template = "/" [ Segments ] [ ":" LITERAL ]
//	Segments = Segment { "/" Segment }
//	Segment  = "*" | "**" | LITERAL | "{" FieldPath [ "=" Segments ] "}"
//	FieldPath = IDENT { "." IDENT }
//
// "**" comes last. A literal has none of * { } / : and no line end; what is
// percent-encoded in it means the character. A variable's field may lie in
// nested messages; it is a scalar, an enum, or a message whose JSON is one: a
// wrapper, Timestamp, Duration or FieldMask.
//
// # Matching
//
// Paths are compared segment by segment, each decoded on its own, so that "%2F"
// is a character and no separator. "*" takes one segment, which may be empty;
// "**" takes any number, also none. A literal goes before "*", and that before
// "**", from left to right; the tree is searched back as needed. What follows the
// last colon of a path is a verb if there is a rule that has it there, and else
// part of the segment, so that a key may have a colon.
//
// The text of a variable of one segment is decoded in full. In one of several,
// "%2F" stays, as Google's rules have it, so that the segments can still be told
// apart.
//
// HEAD is served by the rule of GET if it has none of its own. Two rules for the
// same verb whose templates take the same paths collide: that is a problem of
// the later one, which is used nevertheless, as by the reference proxy. A rule
// goes before the default route of another method.
//
// The cost of a match depends on the number of segments, not of rules.
package httprule
