// SPDX-License-Identifier: Apache-2.0

// Package model is the user function that the conformance suite expects to
// find, written with our SDK. Behind a proxy it shows what the proxy does; by
// itself it shows what the SDK does.
package model

import (
	"slices"

	"github.com/kairn-dev/kairn/sdk"
)

// Entities returns all the entities of the model.
func Entities() []sdk.Entity {
	return slices.Concat(Actions(), ValueEntities(), EventSourced(), CRDTs(), Keys(), EventLogs())
}
