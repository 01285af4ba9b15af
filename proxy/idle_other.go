// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

// freeProgram leaves to the kernel what it does with the pages of the program.
func freeProgram() {}
