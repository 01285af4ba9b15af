// SPDX-License-Identifier: Apache-2.0

// Package model is the user function that the conformance suite expects to
// find, written with our SDK. Behind a proxy it shows what the proxy does; by
// itself it shows what the SDK does.
package model

import (
	"slices"

	"github.com/kairn-dev/kairn/sdk"
)

// All returns all the entities of the model.
func All() []sdk.Entity { return slices.Concat(Actions(), ValueEntities(), EventSourced()) }

// Entities returns the entities of the model that our proxy serves so far. With
// the others in it, it refuses the function.
func Entities() []sdk.Entity { return EventSourced() }
