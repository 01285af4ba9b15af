// SPDX-License-Identifier: Apache-2.0

// Package firstfunction does what docs/first-function.md tells its readers to do: it
// generates the code of its service, builds its function, and runs its test.
package firstfunction
