// SPDX-License-Identifier: Apache-2.0

// Package generations runs functions that were written with libraries of the
// protocol's other generations, which nobody here has written, behind the real
// proxy. They come from npm, unchanged and without their install scripts, by
// lock files that are here.
//
// What is installed is kept outside of the checkout, in a folder of the user's
// cache that is named after the lock file's hash. Without node or npm the tests
// say what they have not run, and fail where CI is set.
package generations
