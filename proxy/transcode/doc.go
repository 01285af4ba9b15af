// SPDX-License-Identifier: Apache-2.0

// Package transcode turns an HTTP request into the encoded message that a
// method takes, and an encoded reply into JSON. It knows messages only by the
// function's descriptors.
//
// # Requests
//
// The body comes first: it is the whole request, or one field of it, or nothing,
// as the rule says. Then, unless the body is the whole request, the parameters of
// the query, and last the variables of the path, which win over the body.
//
// Bodies are JSON as protobuf defines it. A field that the message doesn't have,
// a value that doesn't fit, and text after the value are errors. One whose field
// is a google.api.HttpBody is taken as it is, with its content type.
//
// A parameter is the path of a field, whose parts may be JSON names or names of
// the .proto file: "cart.userId", "cart.user_id". A repeated field takes a
// parameter for each element, any other field only one. The field may be a
// scalar, an enum, or a message whose JSON is one string, number or boolean, but
// no map, and nothing that the body or a variable is. In the text of a
// parameter or a variable
//
//	bool           is true or false in any case, or 1 or 0
//	numbers        are decimal; floats may be NaN, Infinity, -Infinity
//	bytes          are base64, of either alphabet, padded or not
//	an enum        is a name or a number
//
// # Errors
//
// Whatever is wrong is an [entity.Invalid] that names the field. Of JSON it
// says line, column and the path there.
//
// # Replies
//
// JSON has no spaces. Fields without presence are there with their defaults,
// empty lists and maps too; those with presence, like messages, only if they are
// set. Names are JSON names, enums names, 64 bit numbers strings. That is the form
// that the protocol's conformance suite asks for.
package transcode
