// The command istio-iptables of istio's pilot-agent as a program of its own.
//
// pilot-agent itself takes minutes to build and 25 ms more to start, which is no part of what is compared.
package main

import (
	"os"

	"istio.io/istio/pkg/log"
	"istio.io/istio/tools/istio-iptables/pkg/cmd"
)

func main() {
	options := log.DefaultOptions()
	command := cmd.GetCommand(options)
	options.AttachCobraFlags(command)
	if command.Execute() != nil {
		os.Exit(255)
	}
}
