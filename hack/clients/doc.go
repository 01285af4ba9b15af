// SPDX-License-Identifier: Apache-2.0

// Package clients calls the shared port with clients that nobody here wrote:
// curl, Connect-ES in Node over HTTP/1.1 and HTTP/2, and Connect-ES and Google's
// grpc-web in a page in Chromium, from another origin, so with CORS. What the
// clients do is in calls.js; package-lock.json pins them, and the test installs
// them below the folder out.
//
// Where one of the programs is missing its test is skipped, loudly; with CI=true
// it fails. On Debian they are the packages curl, nodejs, npm and chromium.
package clients
