// SPDX-License-Identifier: Apache-2.0

// Package route says which method and which entity key a request is for.
//
// [Parse] takes what a user function says that it serves and makes a
// [Catalogue] of it, or says everything that is wrong with it. A [Method] of
// the Catalogue reads the entity key of a request from its bytes. The package
// only computes: it knows no clock, no network and no state, and values of its
// types never change once made, so that all may be used by many goroutines.
//
// # Descriptors
//
// Support libraries differ in how they make their descriptor set, so the files
// may come in any order, the same file twice, and under other names than they
// are imported by: an import that no file of the set is named after is the one
// file that agrees with it in the most path elements from the end
// ("persistence/domain.proto" is "domain.proto"). What is missing from the set
// is taken from this program if it is a file of google/protobuf, google/api or
// cloudstate, and is an error otherwise. What the set has is never replaced, and
// nothing of it gets into the registry of this program.
//
// # Entity keys
//
// A field is part of the entity key if its options say true under one of two
// numbers: 1080, or 50002 as the libraries up to 0.0.3 had it. The options are
// scanned, not decoded, since number 1080 is also the number of a message in
// later generations of the protocol. Only fields of the request itself count,
// in the order of their declaration; none may be repeated or a message.
//
// A key is the text of its field:
//
//	integers        decimal
//	bool            true, false
//	enum            the name of the value; the number if it has no name
//	string          as it is
//	float, double   as Java writes them: 1.0, 1.0E10, NaN, Infinity
//	bytes           base64, standard alphabet, padded (the reference proxy
//	                writes something that can't be told apart)
//
// A field that isn't there has its default, which may be an explicit one. If
// there are several fields, their texts are joined with "-"; so that two
// different keys are never the same text, "%" and "-" within the parts are then
// written "%25" and "%2D" (which the reference proxy does not do).
//
// The key is read without decoding the message, by the rules of decoding: the
// last occurrence of a field counts, and a field of a oneof is forgotten when
// another one of it follows. Unlike a decoder, the reader refuses a key field
// of the wrong wire type and a string that isn't UTF-8 in proto2 files too (it
// could not be sent on as a key). It reads to the end of the message, so that
// a malformed one is refused, but it does not look into nested messages nor at
// the text of other fields: what is wrong there is for the function to say.
package route
