# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mesh_intercept_global_optspecs
    string join \n h/help V/version
end

function __fish_mesh_intercept_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mesh_intercept_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mesh_intercept_using_subcommand
    set -l cmd (__fish_mesh_intercept_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mesh-intercept -n "__fish_mesh_intercept_needs_command" -s h -l help -d 'Print help'
complete -c mesh-intercept -n "__fish_mesh_intercept_needs_command" -s V -l version -d 'Print version'
complete -c mesh-intercept -n "__fish_mesh_intercept_needs_command" -f -a "init" -d 'Put the interception rules of a pod into the kernel'
complete -c mesh-intercept -n "__fish_mesh_intercept_needs_command" -f -a "istio-iptables" -d 'Put the interception rules of a pod into the kernel'
complete -c mesh-intercept -n "__fish_mesh_intercept_needs_command" -f -a "plan" -d 'Print what init would do; change nothing'
complete -c mesh-intercept -n "__fish_mesh_intercept_needs_command" -f -a "cleanup" -d 'Remove the rules from every back end, and the routes that go with them'
complete -c mesh-intercept -n "__fish_mesh_intercept_needs_command" -f -a "status" -d 'Print what is installed, and what each rule has counted'
complete -c mesh-intercept -n "__fish_mesh_intercept_needs_command" -f -a "verify" -d 'Check that the rules in the kernel do what was asked for'
complete -c mesh-intercept -n "__fish_mesh_intercept_needs_command" -f -a "explain" -d 'Tell which rule decides about a packet, and why'
complete -c mesh-intercept -n "__fish_mesh_intercept_needs_command" -f -a "import" -d 'Print the flags of init that are equal to another mesh\'s settings'
complete -c mesh-intercept -n "__fish_mesh_intercept_needs_command" -f -a "cni" -d 'Answer a container runtime, as a CNI plugin'
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s p -l envoy-port -d 'Port of the proxy that outbound TCP connections are redirected to [default: 15001]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s z -l inbound-capture-port -d 'Port of the proxy that inbound TCP connections are redirected to [default: 15006] [env: INBOUND_CAPTURE_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s e -l inbound-tunnel-port -d 'Port of the proxy for tunnelled connections; not redirected [default: 15008] [env: INBOUND_TUNNEL_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s u -l proxy-uid -d 'User ids or names whose traffic is not redirected [default: uid of the user $ENVOY_USER (istio-proxy), or 1337] [env: PROXY_UID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s g -l proxy-gid -d 'Group ids or names whose traffic is not redirected [default: the ids of --proxy-uid] [env: PROXY_GID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s m -l istio-inbound-interception-mode -d 'How inbound connections reach the proxy: REDIRECT, or TPROXY, which keeps the client\'s source address [default: REDIRECT] [env: ISTIO_INBOUND_INTERCEPTION_MODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s b -l istio-inbound-ports -d 'Inbound ports to redirect to the proxy: a list with ranges (8000-8100), `*` for all, empty for none [env: ISTIO_INBOUND_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s d -l istio-local-exclude-ports -d 'Inbound ports that are not redirected; only used when --istio-inbound-ports is `*` [env: ISTIO_LOCAL_EXCLUDE_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s i -l istio-service-cidr -d 'Destination ranges (CIDR) whose outbound connections go to the proxy: a list, `*` for all, empty for none [env: ISTIO_SERVICE_CIDR]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s x -l istio-service-exclude-cidr -d 'Destination ranges (CIDR) that are never redirected; beats every include [env: ISTIO_SERVICE_EXCLUDE_CIDR]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s q -l istio-outbound-ports -d 'Destination ports that go to the proxy whatever the address; exclusions still win [env: ISTIO_OUTBOUND_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s o -l istio-local-outbound-ports-exclude -d 'Destination ports, TCP and UDP, that are never redirected; beats every include [env: ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s c -l istio-exclude-interfaces -d 'Interfaces on which neither direction is redirected; a trailing `+` matches every name that begins so [env: ISTIO_EXCLUDE_INTERFACES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s k -l kube-virt-interfaces -d 'Interfaces of virtual machines whose incoming traffic counts as outbound [env: KUBE_VIRT_INTERFACES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s t -l istio-inbound-tproxy-mark -d 'Packet mark for connections that TPROXY intercepts (1 to 4294967295, decimal or 0x) [default: 1337] [env: ISTIO_INBOUND_TPROXY_MARK]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s r -l istio-inbound-tproxy-route-table -d 'Routing table that delivers marked packets locally (1 to 4294967295, not 253 to 255) [default: 133] [env: ISTIO_INBOUND_TPROXY_ROUTE_TABLE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l redirect-dns -d 'Redirect DNS over UDP and TCP to port 15053: what goes to the servers of resolv.conf [env: ISTIO_META_DNS_CAPTURE, REDIRECT_DNS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l capture-all-dns -d 'With --redirect-dns: redirect everything to port 53, not only what goes to known servers [env: CAPTURE_ALL_DNS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l resolv-conf -d 'File that names the DNS servers [default: /etc/resolv.conf] [env: MESH_INTERCEPT_RESOLV_CONF]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l drop-invalid -d 'Drop incoming packets that connection tracking calls invalid [env: INVALID_DROP, DROP_INVALID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l dual-stack -d 'Intercept IPv6 as well, in nftables also an address that comes later; without it IPv6 is intercepted where the first address of the pod\'s interfaces is of it [env: ISTIO_DUAL_STACK, DUAL_STACK]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l uncaptured-family -d 'What happens to a pod\'s IPv6 when it is not intercepted: deny refuses it in both directions, except loopback and the proxy\'s; warn and nftables refuse neighbours at link-local addresses [default: warn] [env: MESH_INTERCEPT_UNCAPTURED_FAMILY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l quic -d 'What happens to outbound UDP to port 443: deny refuses it where TCP would be captured, so that clients take TCP [default: allow] [env: MESH_INTERCEPT_QUIC]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l backend -d 'Which back end programs the rules; auto stays where rules are already, else takes nftables [default: auto] [env: MESH_INTERCEPT_BACKEND]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l native-nftables -d 'Use nftables; the same as --backend nftables [env: NATIVE_NFTABLES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l force-iptables-binary -d 'Use this variant of iptables; the same as --backend iptables-legacy or iptables-nft [env: FORCE_IPTABLES_BINARY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l network-namespace -d 'Work in this network namespace, such as /run/netns/NAME or /proc/PID/ns/net [env: NETWORK_NAMESPACE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l cni-mode -d 'Accepted for compatibility: nothing depends on it here [env: CNI_MODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s n -l dry-run -d 'Print what would be done, change nothing; needs no privileges [env: DRY_RUN]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l output -d 'How plan, verify, status and cleanup print; nft and iptables are for plan [default: text]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l local-address -d 'With --dry-run and plan: the pod\'s addresses [default: those of the interfaces]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l reconcile -d 'Replace rules that are there and differ, without a gap; without it a difference is exit code 4 [env: RECONCILE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l migrate -d 'Move rules of the mesh from other back ends: new ones in first, old ones out after; auto takes nftables [env: MESH_INTERCEPT_MIGRATE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l cleanup-only -d 'Remove the rules and routes, apply nothing [env: CLEANUP_ONLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l force-apply -d 'Write the rules whatever is there, even if it is the same [env: FORCE_APPLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l skip-rule-apply -d 'Leave the rules as they are [env: SKIP_RULE_APPLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l run-validation -d 'Check by a connection that the rules work [env: RUN_VALIDATION]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l iptables-probe-port -d 'Port on which validation listens [default: 15002] [env: IPTABLES_PROBE_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l probe-timeout -d 'How long validation may take, such as 5s or 1m30s [default: 5s] [env: PROBE_TIMEOUT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l validation-exit-code -d 'Exit code of a failed validation: istio\'s controllers look for 126, linkerd\'s for 95 [default: 126] [env: MESH_INTERCEPT_VALIDATION_EXIT_CODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l node-os -d 'The node\'s operating system, as its osImage says; TPROXY is refused on CentOS [env: NODE_OS_IMAGE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l host-os-release -d 'The node\'s os-release file, where it is mounted [env: HOST_OS_RELEASE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l allow-tproxy-on-centos -d 'Use TPROXY on a CentOS node all the same [env: ALLOW_TPROXY_ON_CENTOS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l log_output_level -d 'Log level: none, error, warn, info or debug, also as SCOPE:LEVEL; the scope `default` counts [default: default:info]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l log_as_json -d 'Log JSON objects instead of text' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l log_target -d 'Where logs go: stderr, stdout, or a file [default: stderr]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l log_caller -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l log_stacktrace_level -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l log_rotate -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l log_rotate_max_age -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l log_rotate_max_backups -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l log_rotate_max_size -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -l vklog -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand init" -s h -l help -d 'Print help'
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s p -l envoy-port -d 'Port of the proxy that outbound TCP connections are redirected to [default: 15001]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s z -l inbound-capture-port -d 'Port of the proxy that inbound TCP connections are redirected to [default: 15006] [env: INBOUND_CAPTURE_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s e -l inbound-tunnel-port -d 'Port of the proxy for tunnelled connections; not redirected [default: 15008] [env: INBOUND_TUNNEL_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s u -l proxy-uid -d 'User ids or names whose traffic is not redirected [default: uid of the user $ENVOY_USER (istio-proxy), or 1337] [env: PROXY_UID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s g -l proxy-gid -d 'Group ids or names whose traffic is not redirected [default: the ids of --proxy-uid] [env: PROXY_GID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s m -l istio-inbound-interception-mode -d 'How inbound connections reach the proxy: REDIRECT, or TPROXY, which keeps the client\'s source address [default: REDIRECT] [env: ISTIO_INBOUND_INTERCEPTION_MODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s b -l istio-inbound-ports -d 'Inbound ports to redirect to the proxy: a list with ranges (8000-8100), `*` for all, empty for none [env: ISTIO_INBOUND_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s d -l istio-local-exclude-ports -d 'Inbound ports that are not redirected; only used when --istio-inbound-ports is `*` [env: ISTIO_LOCAL_EXCLUDE_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s i -l istio-service-cidr -d 'Destination ranges (CIDR) whose outbound connections go to the proxy: a list, `*` for all, empty for none [env: ISTIO_SERVICE_CIDR]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s x -l istio-service-exclude-cidr -d 'Destination ranges (CIDR) that are never redirected; beats every include [env: ISTIO_SERVICE_EXCLUDE_CIDR]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s q -l istio-outbound-ports -d 'Destination ports that go to the proxy whatever the address; exclusions still win [env: ISTIO_OUTBOUND_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s o -l istio-local-outbound-ports-exclude -d 'Destination ports, TCP and UDP, that are never redirected; beats every include [env: ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s c -l istio-exclude-interfaces -d 'Interfaces on which neither direction is redirected; a trailing `+` matches every name that begins so [env: ISTIO_EXCLUDE_INTERFACES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s k -l kube-virt-interfaces -d 'Interfaces of virtual machines whose incoming traffic counts as outbound [env: KUBE_VIRT_INTERFACES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s t -l istio-inbound-tproxy-mark -d 'Packet mark for connections that TPROXY intercepts (1 to 4294967295, decimal or 0x) [default: 1337] [env: ISTIO_INBOUND_TPROXY_MARK]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s r -l istio-inbound-tproxy-route-table -d 'Routing table that delivers marked packets locally (1 to 4294967295, not 253 to 255) [default: 133] [env: ISTIO_INBOUND_TPROXY_ROUTE_TABLE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l redirect-dns -d 'Redirect DNS over UDP and TCP to port 15053: what goes to the servers of resolv.conf [env: ISTIO_META_DNS_CAPTURE, REDIRECT_DNS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l capture-all-dns -d 'With --redirect-dns: redirect everything to port 53, not only what goes to known servers [env: CAPTURE_ALL_DNS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l resolv-conf -d 'File that names the DNS servers [default: /etc/resolv.conf] [env: MESH_INTERCEPT_RESOLV_CONF]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l drop-invalid -d 'Drop incoming packets that connection tracking calls invalid [env: INVALID_DROP, DROP_INVALID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l dual-stack -d 'Intercept IPv6 as well, in nftables also an address that comes later; without it IPv6 is intercepted where the first address of the pod\'s interfaces is of it [env: ISTIO_DUAL_STACK, DUAL_STACK]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l uncaptured-family -d 'What happens to a pod\'s IPv6 when it is not intercepted: deny refuses it in both directions, except loopback and the proxy\'s; warn and nftables refuse neighbours at link-local addresses [default: warn] [env: MESH_INTERCEPT_UNCAPTURED_FAMILY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l quic -d 'What happens to outbound UDP to port 443: deny refuses it where TCP would be captured, so that clients take TCP [default: allow] [env: MESH_INTERCEPT_QUIC]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l backend -d 'Which back end programs the rules; auto stays where rules are already, else takes nftables [default: auto] [env: MESH_INTERCEPT_BACKEND]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l native-nftables -d 'Use nftables; the same as --backend nftables [env: NATIVE_NFTABLES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l force-iptables-binary -d 'Use this variant of iptables; the same as --backend iptables-legacy or iptables-nft [env: FORCE_IPTABLES_BINARY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l network-namespace -d 'Work in this network namespace, such as /run/netns/NAME or /proc/PID/ns/net [env: NETWORK_NAMESPACE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l cni-mode -d 'Accepted for compatibility: nothing depends on it here [env: CNI_MODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s n -l dry-run -d 'Print what would be done, change nothing; needs no privileges [env: DRY_RUN]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l output -d 'How plan, verify, status and cleanup print; nft and iptables are for plan [default: text]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l local-address -d 'With --dry-run and plan: the pod\'s addresses [default: those of the interfaces]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l reconcile -d 'Replace rules that are there and differ, without a gap; without it a difference is exit code 4 [env: RECONCILE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l migrate -d 'Move rules of the mesh from other back ends: new ones in first, old ones out after; auto takes nftables [env: MESH_INTERCEPT_MIGRATE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l cleanup-only -d 'Remove the rules and routes, apply nothing [env: CLEANUP_ONLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l force-apply -d 'Write the rules whatever is there, even if it is the same [env: FORCE_APPLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l skip-rule-apply -d 'Leave the rules as they are [env: SKIP_RULE_APPLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l run-validation -d 'Check by a connection that the rules work [env: RUN_VALIDATION]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l iptables-probe-port -d 'Port on which validation listens [default: 15002] [env: IPTABLES_PROBE_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l probe-timeout -d 'How long validation may take, such as 5s or 1m30s [default: 5s] [env: PROBE_TIMEOUT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l validation-exit-code -d 'Exit code of a failed validation: istio\'s controllers look for 126, linkerd\'s for 95 [default: 126] [env: MESH_INTERCEPT_VALIDATION_EXIT_CODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l node-os -d 'The node\'s operating system, as its osImage says; TPROXY is refused on CentOS [env: NODE_OS_IMAGE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l host-os-release -d 'The node\'s os-release file, where it is mounted [env: HOST_OS_RELEASE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l allow-tproxy-on-centos -d 'Use TPROXY on a CentOS node all the same [env: ALLOW_TPROXY_ON_CENTOS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l log_output_level -d 'Log level: none, error, warn, info or debug, also as SCOPE:LEVEL; the scope `default` counts [default: default:info]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l log_as_json -d 'Log JSON objects instead of text' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l log_target -d 'Where logs go: stderr, stdout, or a file [default: stderr]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l log_caller -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l log_stacktrace_level -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l log_rotate -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l log_rotate_max_age -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l log_rotate_max_backups -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l log_rotate_max_size -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -l vklog -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand istio-iptables" -s h -l help -d 'Print help'
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s p -l envoy-port -d 'Port of the proxy that outbound TCP connections are redirected to [default: 15001]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s z -l inbound-capture-port -d 'Port of the proxy that inbound TCP connections are redirected to [default: 15006] [env: INBOUND_CAPTURE_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s e -l inbound-tunnel-port -d 'Port of the proxy for tunnelled connections; not redirected [default: 15008] [env: INBOUND_TUNNEL_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s u -l proxy-uid -d 'User ids or names whose traffic is not redirected [default: uid of the user $ENVOY_USER (istio-proxy), or 1337] [env: PROXY_UID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s g -l proxy-gid -d 'Group ids or names whose traffic is not redirected [default: the ids of --proxy-uid] [env: PROXY_GID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s m -l istio-inbound-interception-mode -d 'How inbound connections reach the proxy: REDIRECT, or TPROXY, which keeps the client\'s source address [default: REDIRECT] [env: ISTIO_INBOUND_INTERCEPTION_MODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s b -l istio-inbound-ports -d 'Inbound ports to redirect to the proxy: a list with ranges (8000-8100), `*` for all, empty for none [env: ISTIO_INBOUND_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s d -l istio-local-exclude-ports -d 'Inbound ports that are not redirected; only used when --istio-inbound-ports is `*` [env: ISTIO_LOCAL_EXCLUDE_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s i -l istio-service-cidr -d 'Destination ranges (CIDR) whose outbound connections go to the proxy: a list, `*` for all, empty for none [env: ISTIO_SERVICE_CIDR]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s x -l istio-service-exclude-cidr -d 'Destination ranges (CIDR) that are never redirected; beats every include [env: ISTIO_SERVICE_EXCLUDE_CIDR]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s q -l istio-outbound-ports -d 'Destination ports that go to the proxy whatever the address; exclusions still win [env: ISTIO_OUTBOUND_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s o -l istio-local-outbound-ports-exclude -d 'Destination ports, TCP and UDP, that are never redirected; beats every include [env: ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s c -l istio-exclude-interfaces -d 'Interfaces on which neither direction is redirected; a trailing `+` matches every name that begins so [env: ISTIO_EXCLUDE_INTERFACES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s k -l kube-virt-interfaces -d 'Interfaces of virtual machines whose incoming traffic counts as outbound [env: KUBE_VIRT_INTERFACES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s t -l istio-inbound-tproxy-mark -d 'Packet mark for connections that TPROXY intercepts (1 to 4294967295, decimal or 0x) [default: 1337] [env: ISTIO_INBOUND_TPROXY_MARK]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s r -l istio-inbound-tproxy-route-table -d 'Routing table that delivers marked packets locally (1 to 4294967295, not 253 to 255) [default: 133] [env: ISTIO_INBOUND_TPROXY_ROUTE_TABLE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l redirect-dns -d 'Redirect DNS over UDP and TCP to port 15053: what goes to the servers of resolv.conf [env: ISTIO_META_DNS_CAPTURE, REDIRECT_DNS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l capture-all-dns -d 'With --redirect-dns: redirect everything to port 53, not only what goes to known servers [env: CAPTURE_ALL_DNS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l resolv-conf -d 'File that names the DNS servers [default: /etc/resolv.conf] [env: MESH_INTERCEPT_RESOLV_CONF]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l drop-invalid -d 'Drop incoming packets that connection tracking calls invalid [env: INVALID_DROP, DROP_INVALID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l dual-stack -d 'Intercept IPv6 as well, in nftables also an address that comes later; without it IPv6 is intercepted where the first address of the pod\'s interfaces is of it [env: ISTIO_DUAL_STACK, DUAL_STACK]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l uncaptured-family -d 'What happens to a pod\'s IPv6 when it is not intercepted: deny refuses it in both directions, except loopback and the proxy\'s; warn and nftables refuse neighbours at link-local addresses [default: warn] [env: MESH_INTERCEPT_UNCAPTURED_FAMILY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l quic -d 'What happens to outbound UDP to port 443: deny refuses it where TCP would be captured, so that clients take TCP [default: allow] [env: MESH_INTERCEPT_QUIC]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l backend -d 'Which back end programs the rules; auto stays where rules are already, else takes nftables [default: auto] [env: MESH_INTERCEPT_BACKEND]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l native-nftables -d 'Use nftables; the same as --backend nftables [env: NATIVE_NFTABLES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l force-iptables-binary -d 'Use this variant of iptables; the same as --backend iptables-legacy or iptables-nft [env: FORCE_IPTABLES_BINARY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l network-namespace -d 'Work in this network namespace, such as /run/netns/NAME or /proc/PID/ns/net [env: NETWORK_NAMESPACE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l cni-mode -d 'Accepted for compatibility: nothing depends on it here [env: CNI_MODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s n -l dry-run -d 'Print what would be done, change nothing; needs no privileges [env: DRY_RUN]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l output -d 'How plan, verify, status and cleanup print; nft and iptables are for plan [default: text]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l local-address -d 'With --dry-run and plan: the pod\'s addresses [default: those of the interfaces]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l reconcile -d 'Replace rules that are there and differ, without a gap; without it a difference is exit code 4 [env: RECONCILE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l migrate -d 'Move rules of the mesh from other back ends: new ones in first, old ones out after; auto takes nftables [env: MESH_INTERCEPT_MIGRATE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l cleanup-only -d 'Remove the rules and routes, apply nothing [env: CLEANUP_ONLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l force-apply -d 'Write the rules whatever is there, even if it is the same [env: FORCE_APPLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l skip-rule-apply -d 'Leave the rules as they are [env: SKIP_RULE_APPLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l run-validation -d 'Check by a connection that the rules work [env: RUN_VALIDATION]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l iptables-probe-port -d 'Port on which validation listens [default: 15002] [env: IPTABLES_PROBE_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l probe-timeout -d 'How long validation may take, such as 5s or 1m30s [default: 5s] [env: PROBE_TIMEOUT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l validation-exit-code -d 'Exit code of a failed validation: istio\'s controllers look for 126, linkerd\'s for 95 [default: 126] [env: MESH_INTERCEPT_VALIDATION_EXIT_CODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l node-os -d 'The node\'s operating system, as its osImage says; TPROXY is refused on CentOS [env: NODE_OS_IMAGE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l host-os-release -d 'The node\'s os-release file, where it is mounted [env: HOST_OS_RELEASE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l allow-tproxy-on-centos -d 'Use TPROXY on a CentOS node all the same [env: ALLOW_TPROXY_ON_CENTOS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l log_output_level -d 'Log level: none, error, warn, info or debug, also as SCOPE:LEVEL; the scope `default` counts [default: default:info]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l log_as_json -d 'Log JSON objects instead of text' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l log_target -d 'Where logs go: stderr, stdout, or a file [default: stderr]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l log_caller -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l log_stacktrace_level -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l log_rotate -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l log_rotate_max_age -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l log_rotate_max_backups -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l log_rotate_max_size -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -l vklog -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand plan" -s h -l help -d 'Print help'
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s p -l envoy-port -d 'Port of the proxy that outbound TCP connections are redirected to [default: 15001]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s z -l inbound-capture-port -d 'Port of the proxy that inbound TCP connections are redirected to [default: 15006] [env: INBOUND_CAPTURE_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s e -l inbound-tunnel-port -d 'Port of the proxy for tunnelled connections; not redirected [default: 15008] [env: INBOUND_TUNNEL_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s u -l proxy-uid -d 'User ids or names whose traffic is not redirected [default: uid of the user $ENVOY_USER (istio-proxy), or 1337] [env: PROXY_UID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s g -l proxy-gid -d 'Group ids or names whose traffic is not redirected [default: the ids of --proxy-uid] [env: PROXY_GID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s m -l istio-inbound-interception-mode -d 'How inbound connections reach the proxy: REDIRECT, or TPROXY, which keeps the client\'s source address [default: REDIRECT] [env: ISTIO_INBOUND_INTERCEPTION_MODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s b -l istio-inbound-ports -d 'Inbound ports to redirect to the proxy: a list with ranges (8000-8100), `*` for all, empty for none [env: ISTIO_INBOUND_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s d -l istio-local-exclude-ports -d 'Inbound ports that are not redirected; only used when --istio-inbound-ports is `*` [env: ISTIO_LOCAL_EXCLUDE_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s i -l istio-service-cidr -d 'Destination ranges (CIDR) whose outbound connections go to the proxy: a list, `*` for all, empty for none [env: ISTIO_SERVICE_CIDR]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s x -l istio-service-exclude-cidr -d 'Destination ranges (CIDR) that are never redirected; beats every include [env: ISTIO_SERVICE_EXCLUDE_CIDR]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s q -l istio-outbound-ports -d 'Destination ports that go to the proxy whatever the address; exclusions still win [env: ISTIO_OUTBOUND_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s o -l istio-local-outbound-ports-exclude -d 'Destination ports, TCP and UDP, that are never redirected; beats every include [env: ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s c -l istio-exclude-interfaces -d 'Interfaces on which neither direction is redirected; a trailing `+` matches every name that begins so [env: ISTIO_EXCLUDE_INTERFACES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s k -l kube-virt-interfaces -d 'Interfaces of virtual machines whose incoming traffic counts as outbound [env: KUBE_VIRT_INTERFACES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s t -l istio-inbound-tproxy-mark -d 'Packet mark for connections that TPROXY intercepts (1 to 4294967295, decimal or 0x) [default: 1337] [env: ISTIO_INBOUND_TPROXY_MARK]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s r -l istio-inbound-tproxy-route-table -d 'Routing table that delivers marked packets locally (1 to 4294967295, not 253 to 255) [default: 133] [env: ISTIO_INBOUND_TPROXY_ROUTE_TABLE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l redirect-dns -d 'Redirect DNS over UDP and TCP to port 15053: what goes to the servers of resolv.conf [env: ISTIO_META_DNS_CAPTURE, REDIRECT_DNS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l capture-all-dns -d 'With --redirect-dns: redirect everything to port 53, not only what goes to known servers [env: CAPTURE_ALL_DNS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l resolv-conf -d 'File that names the DNS servers [default: /etc/resolv.conf] [env: MESH_INTERCEPT_RESOLV_CONF]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l drop-invalid -d 'Drop incoming packets that connection tracking calls invalid [env: INVALID_DROP, DROP_INVALID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l dual-stack -d 'Intercept IPv6 as well, in nftables also an address that comes later; without it IPv6 is intercepted where the first address of the pod\'s interfaces is of it [env: ISTIO_DUAL_STACK, DUAL_STACK]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l uncaptured-family -d 'What happens to a pod\'s IPv6 when it is not intercepted: deny refuses it in both directions, except loopback and the proxy\'s; warn and nftables refuse neighbours at link-local addresses [default: warn] [env: MESH_INTERCEPT_UNCAPTURED_FAMILY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l quic -d 'What happens to outbound UDP to port 443: deny refuses it where TCP would be captured, so that clients take TCP [default: allow] [env: MESH_INTERCEPT_QUIC]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l backend -d 'Which back end programs the rules; auto stays where rules are already, else takes nftables [default: auto] [env: MESH_INTERCEPT_BACKEND]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l native-nftables -d 'Use nftables; the same as --backend nftables [env: NATIVE_NFTABLES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l force-iptables-binary -d 'Use this variant of iptables; the same as --backend iptables-legacy or iptables-nft [env: FORCE_IPTABLES_BINARY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l network-namespace -d 'Work in this network namespace, such as /run/netns/NAME or /proc/PID/ns/net [env: NETWORK_NAMESPACE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l cni-mode -d 'Accepted for compatibility: nothing depends on it here [env: CNI_MODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s n -l dry-run -d 'Print what would be done, change nothing; needs no privileges [env: DRY_RUN]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l output -d 'How plan, verify, status and cleanup print; nft and iptables are for plan [default: text]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l local-address -d 'With --dry-run and plan: the pod\'s addresses [default: those of the interfaces]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l reconcile -d 'Replace rules that are there and differ, without a gap; without it a difference is exit code 4 [env: RECONCILE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l migrate -d 'Move rules of the mesh from other back ends: new ones in first, old ones out after; auto takes nftables [env: MESH_INTERCEPT_MIGRATE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l cleanup-only -d 'Remove the rules and routes, apply nothing [env: CLEANUP_ONLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l force-apply -d 'Write the rules whatever is there, even if it is the same [env: FORCE_APPLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l skip-rule-apply -d 'Leave the rules as they are [env: SKIP_RULE_APPLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l run-validation -d 'Check by a connection that the rules work [env: RUN_VALIDATION]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l iptables-probe-port -d 'Port on which validation listens [default: 15002] [env: IPTABLES_PROBE_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l probe-timeout -d 'How long validation may take, such as 5s or 1m30s [default: 5s] [env: PROBE_TIMEOUT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l validation-exit-code -d 'Exit code of a failed validation: istio\'s controllers look for 126, linkerd\'s for 95 [default: 126] [env: MESH_INTERCEPT_VALIDATION_EXIT_CODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l node-os -d 'The node\'s operating system, as its osImage says; TPROXY is refused on CentOS [env: NODE_OS_IMAGE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l host-os-release -d 'The node\'s os-release file, where it is mounted [env: HOST_OS_RELEASE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l allow-tproxy-on-centos -d 'Use TPROXY on a CentOS node all the same [env: ALLOW_TPROXY_ON_CENTOS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l log_output_level -d 'Log level: none, error, warn, info or debug, also as SCOPE:LEVEL; the scope `default` counts [default: default:info]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l log_as_json -d 'Log JSON objects instead of text' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l log_target -d 'Where logs go: stderr, stdout, or a file [default: stderr]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l log_caller -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l log_stacktrace_level -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l log_rotate -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l log_rotate_max_age -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l log_rotate_max_backups -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l log_rotate_max_size -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -l vklog -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cleanup" -s h -l help -d 'Print help'
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s p -l envoy-port -d 'Port of the proxy that outbound TCP connections are redirected to [default: 15001]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s z -l inbound-capture-port -d 'Port of the proxy that inbound TCP connections are redirected to [default: 15006] [env: INBOUND_CAPTURE_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s e -l inbound-tunnel-port -d 'Port of the proxy for tunnelled connections; not redirected [default: 15008] [env: INBOUND_TUNNEL_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s u -l proxy-uid -d 'User ids or names whose traffic is not redirected [default: uid of the user $ENVOY_USER (istio-proxy), or 1337] [env: PROXY_UID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s g -l proxy-gid -d 'Group ids or names whose traffic is not redirected [default: the ids of --proxy-uid] [env: PROXY_GID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s m -l istio-inbound-interception-mode -d 'How inbound connections reach the proxy: REDIRECT, or TPROXY, which keeps the client\'s source address [default: REDIRECT] [env: ISTIO_INBOUND_INTERCEPTION_MODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s b -l istio-inbound-ports -d 'Inbound ports to redirect to the proxy: a list with ranges (8000-8100), `*` for all, empty for none [env: ISTIO_INBOUND_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s d -l istio-local-exclude-ports -d 'Inbound ports that are not redirected; only used when --istio-inbound-ports is `*` [env: ISTIO_LOCAL_EXCLUDE_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s i -l istio-service-cidr -d 'Destination ranges (CIDR) whose outbound connections go to the proxy: a list, `*` for all, empty for none [env: ISTIO_SERVICE_CIDR]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s x -l istio-service-exclude-cidr -d 'Destination ranges (CIDR) that are never redirected; beats every include [env: ISTIO_SERVICE_EXCLUDE_CIDR]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s q -l istio-outbound-ports -d 'Destination ports that go to the proxy whatever the address; exclusions still win [env: ISTIO_OUTBOUND_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s o -l istio-local-outbound-ports-exclude -d 'Destination ports, TCP and UDP, that are never redirected; beats every include [env: ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s c -l istio-exclude-interfaces -d 'Interfaces on which neither direction is redirected; a trailing `+` matches every name that begins so [env: ISTIO_EXCLUDE_INTERFACES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s k -l kube-virt-interfaces -d 'Interfaces of virtual machines whose incoming traffic counts as outbound [env: KUBE_VIRT_INTERFACES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s t -l istio-inbound-tproxy-mark -d 'Packet mark for connections that TPROXY intercepts (1 to 4294967295, decimal or 0x) [default: 1337] [env: ISTIO_INBOUND_TPROXY_MARK]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s r -l istio-inbound-tproxy-route-table -d 'Routing table that delivers marked packets locally (1 to 4294967295, not 253 to 255) [default: 133] [env: ISTIO_INBOUND_TPROXY_ROUTE_TABLE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l redirect-dns -d 'Redirect DNS over UDP and TCP to port 15053: what goes to the servers of resolv.conf [env: ISTIO_META_DNS_CAPTURE, REDIRECT_DNS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l capture-all-dns -d 'With --redirect-dns: redirect everything to port 53, not only what goes to known servers [env: CAPTURE_ALL_DNS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l resolv-conf -d 'File that names the DNS servers [default: /etc/resolv.conf] [env: MESH_INTERCEPT_RESOLV_CONF]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l drop-invalid -d 'Drop incoming packets that connection tracking calls invalid [env: INVALID_DROP, DROP_INVALID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l dual-stack -d 'Intercept IPv6 as well, in nftables also an address that comes later; without it IPv6 is intercepted where the first address of the pod\'s interfaces is of it [env: ISTIO_DUAL_STACK, DUAL_STACK]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l uncaptured-family -d 'What happens to a pod\'s IPv6 when it is not intercepted: deny refuses it in both directions, except loopback and the proxy\'s; warn and nftables refuse neighbours at link-local addresses [default: warn] [env: MESH_INTERCEPT_UNCAPTURED_FAMILY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l quic -d 'What happens to outbound UDP to port 443: deny refuses it where TCP would be captured, so that clients take TCP [default: allow] [env: MESH_INTERCEPT_QUIC]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l backend -d 'Which back end programs the rules; auto stays where rules are already, else takes nftables [default: auto] [env: MESH_INTERCEPT_BACKEND]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l native-nftables -d 'Use nftables; the same as --backend nftables [env: NATIVE_NFTABLES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l force-iptables-binary -d 'Use this variant of iptables; the same as --backend iptables-legacy or iptables-nft [env: FORCE_IPTABLES_BINARY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l network-namespace -d 'Work in this network namespace, such as /run/netns/NAME or /proc/PID/ns/net [env: NETWORK_NAMESPACE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l cni-mode -d 'Accepted for compatibility: nothing depends on it here [env: CNI_MODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s n -l dry-run -d 'Print what would be done, change nothing; needs no privileges [env: DRY_RUN]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l output -d 'How plan, verify, status and cleanup print; nft and iptables are for plan [default: text]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l watch -d 'Print the status again and again, with rates [default: 0s]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l local-address -d 'With --dry-run and plan: the pod\'s addresses [default: those of the interfaces]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l reconcile -d 'Replace rules that are there and differ, without a gap; without it a difference is exit code 4 [env: RECONCILE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l migrate -d 'Move rules of the mesh from other back ends: new ones in first, old ones out after; auto takes nftables [env: MESH_INTERCEPT_MIGRATE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l cleanup-only -d 'Remove the rules and routes, apply nothing [env: CLEANUP_ONLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l force-apply -d 'Write the rules whatever is there, even if it is the same [env: FORCE_APPLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l skip-rule-apply -d 'Leave the rules as they are [env: SKIP_RULE_APPLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l run-validation -d 'Check by a connection that the rules work [env: RUN_VALIDATION]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l iptables-probe-port -d 'Port on which validation listens [default: 15002] [env: IPTABLES_PROBE_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l probe-timeout -d 'How long validation may take, such as 5s or 1m30s [default: 5s] [env: PROBE_TIMEOUT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l validation-exit-code -d 'Exit code of a failed validation: istio\'s controllers look for 126, linkerd\'s for 95 [default: 126] [env: MESH_INTERCEPT_VALIDATION_EXIT_CODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l node-os -d 'The node\'s operating system, as its osImage says; TPROXY is refused on CentOS [env: NODE_OS_IMAGE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l host-os-release -d 'The node\'s os-release file, where it is mounted [env: HOST_OS_RELEASE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l allow-tproxy-on-centos -d 'Use TPROXY on a CentOS node all the same [env: ALLOW_TPROXY_ON_CENTOS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l log_output_level -d 'Log level: none, error, warn, info or debug, also as SCOPE:LEVEL; the scope `default` counts [default: default:info]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l log_as_json -d 'Log JSON objects instead of text' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l log_target -d 'Where logs go: stderr, stdout, or a file [default: stderr]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l log_caller -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l log_stacktrace_level -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l log_rotate -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l log_rotate_max_age -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l log_rotate_max_backups -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l log_rotate_max_size -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -l vklog -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand status" -s h -l help -d 'Print help'
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s p -l envoy-port -d 'Port of the proxy that outbound TCP connections are redirected to [default: 15001]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s z -l inbound-capture-port -d 'Port of the proxy that inbound TCP connections are redirected to [default: 15006] [env: INBOUND_CAPTURE_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s e -l inbound-tunnel-port -d 'Port of the proxy for tunnelled connections; not redirected [default: 15008] [env: INBOUND_TUNNEL_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s u -l proxy-uid -d 'User ids or names whose traffic is not redirected [default: uid of the user $ENVOY_USER (istio-proxy), or 1337] [env: PROXY_UID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s g -l proxy-gid -d 'Group ids or names whose traffic is not redirected [default: the ids of --proxy-uid] [env: PROXY_GID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s m -l istio-inbound-interception-mode -d 'How inbound connections reach the proxy: REDIRECT, or TPROXY, which keeps the client\'s source address [default: REDIRECT] [env: ISTIO_INBOUND_INTERCEPTION_MODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s b -l istio-inbound-ports -d 'Inbound ports to redirect to the proxy: a list with ranges (8000-8100), `*` for all, empty for none [env: ISTIO_INBOUND_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s d -l istio-local-exclude-ports -d 'Inbound ports that are not redirected; only used when --istio-inbound-ports is `*` [env: ISTIO_LOCAL_EXCLUDE_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s i -l istio-service-cidr -d 'Destination ranges (CIDR) whose outbound connections go to the proxy: a list, `*` for all, empty for none [env: ISTIO_SERVICE_CIDR]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s x -l istio-service-exclude-cidr -d 'Destination ranges (CIDR) that are never redirected; beats every include [env: ISTIO_SERVICE_EXCLUDE_CIDR]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s q -l istio-outbound-ports -d 'Destination ports that go to the proxy whatever the address; exclusions still win [env: ISTIO_OUTBOUND_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s o -l istio-local-outbound-ports-exclude -d 'Destination ports, TCP and UDP, that are never redirected; beats every include [env: ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s c -l istio-exclude-interfaces -d 'Interfaces on which neither direction is redirected; a trailing `+` matches every name that begins so [env: ISTIO_EXCLUDE_INTERFACES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s k -l kube-virt-interfaces -d 'Interfaces of virtual machines whose incoming traffic counts as outbound [env: KUBE_VIRT_INTERFACES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s t -l istio-inbound-tproxy-mark -d 'Packet mark for connections that TPROXY intercepts (1 to 4294967295, decimal or 0x) [default: 1337] [env: ISTIO_INBOUND_TPROXY_MARK]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s r -l istio-inbound-tproxy-route-table -d 'Routing table that delivers marked packets locally (1 to 4294967295, not 253 to 255) [default: 133] [env: ISTIO_INBOUND_TPROXY_ROUTE_TABLE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l redirect-dns -d 'Redirect DNS over UDP and TCP to port 15053: what goes to the servers of resolv.conf [env: ISTIO_META_DNS_CAPTURE, REDIRECT_DNS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l capture-all-dns -d 'With --redirect-dns: redirect everything to port 53, not only what goes to known servers [env: CAPTURE_ALL_DNS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l resolv-conf -d 'File that names the DNS servers [default: /etc/resolv.conf] [env: MESH_INTERCEPT_RESOLV_CONF]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l drop-invalid -d 'Drop incoming packets that connection tracking calls invalid [env: INVALID_DROP, DROP_INVALID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l dual-stack -d 'Intercept IPv6 as well, in nftables also an address that comes later; without it IPv6 is intercepted where the first address of the pod\'s interfaces is of it [env: ISTIO_DUAL_STACK, DUAL_STACK]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l uncaptured-family -d 'What happens to a pod\'s IPv6 when it is not intercepted: deny refuses it in both directions, except loopback and the proxy\'s; warn and nftables refuse neighbours at link-local addresses [default: warn] [env: MESH_INTERCEPT_UNCAPTURED_FAMILY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l quic -d 'What happens to outbound UDP to port 443: deny refuses it where TCP would be captured, so that clients take TCP [default: allow] [env: MESH_INTERCEPT_QUIC]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l backend -d 'Which back end programs the rules; auto stays where rules are already, else takes nftables [default: auto] [env: MESH_INTERCEPT_BACKEND]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l native-nftables -d 'Use nftables; the same as --backend nftables [env: NATIVE_NFTABLES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l force-iptables-binary -d 'Use this variant of iptables; the same as --backend iptables-legacy or iptables-nft [env: FORCE_IPTABLES_BINARY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l network-namespace -d 'Work in this network namespace, such as /run/netns/NAME or /proc/PID/ns/net [env: NETWORK_NAMESPACE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l cni-mode -d 'Accepted for compatibility: nothing depends on it here [env: CNI_MODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s n -l dry-run -d 'Print what would be done, change nothing; needs no privileges [env: DRY_RUN]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l output -d 'How plan, verify, status and cleanup print; nft and iptables are for plan [default: text]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l live -d 'verify: prove by packets what the rules do, which takes SYS_ADMIN, SETUID and SETGID next to NET_ADMIN; explain: by the rules in the kernel' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l local-address -d 'With --dry-run and plan: the pod\'s addresses [default: those of the interfaces]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l reconcile -d 'Replace rules that are there and differ, without a gap; without it a difference is exit code 4 [env: RECONCILE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l migrate -d 'Move rules of the mesh from other back ends: new ones in first, old ones out after; auto takes nftables [env: MESH_INTERCEPT_MIGRATE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l cleanup-only -d 'Remove the rules and routes, apply nothing [env: CLEANUP_ONLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l force-apply -d 'Write the rules whatever is there, even if it is the same [env: FORCE_APPLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l skip-rule-apply -d 'Leave the rules as they are [env: SKIP_RULE_APPLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l run-validation -d 'Check by a connection that the rules work [env: RUN_VALIDATION]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l iptables-probe-port -d 'Port on which validation listens [default: 15002] [env: IPTABLES_PROBE_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l probe-timeout -d 'How long validation may take, such as 5s or 1m30s [default: 5s] [env: PROBE_TIMEOUT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l validation-exit-code -d 'Exit code of a failed validation: istio\'s controllers look for 126, linkerd\'s for 95 [default: 126] [env: MESH_INTERCEPT_VALIDATION_EXIT_CODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l node-os -d 'The node\'s operating system, as its osImage says; TPROXY is refused on CentOS [env: NODE_OS_IMAGE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l host-os-release -d 'The node\'s os-release file, where it is mounted [env: HOST_OS_RELEASE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l allow-tproxy-on-centos -d 'Use TPROXY on a CentOS node all the same [env: ALLOW_TPROXY_ON_CENTOS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l log_output_level -d 'Log level: none, error, warn, info or debug, also as SCOPE:LEVEL; the scope `default` counts [default: default:info]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l log_as_json -d 'Log JSON objects instead of text' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l log_target -d 'Where logs go: stderr, stdout, or a file [default: stderr]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l log_caller -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l log_stacktrace_level -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l log_rotate -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l log_rotate_max_age -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l log_rotate_max_backups -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l log_rotate_max_size -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -l vklog -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand verify" -s h -l help -d 'Print help'
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s p -l envoy-port -d 'Port of the proxy that outbound TCP connections are redirected to [default: 15001]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s z -l inbound-capture-port -d 'Port of the proxy that inbound TCP connections are redirected to [default: 15006] [env: INBOUND_CAPTURE_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s e -l inbound-tunnel-port -d 'Port of the proxy for tunnelled connections; not redirected [default: 15008] [env: INBOUND_TUNNEL_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s u -l proxy-uid -d 'User ids or names whose traffic is not redirected [default: uid of the user $ENVOY_USER (istio-proxy), or 1337] [env: PROXY_UID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s g -l proxy-gid -d 'Group ids or names whose traffic is not redirected [default: the ids of --proxy-uid] [env: PROXY_GID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s m -l istio-inbound-interception-mode -d 'How inbound connections reach the proxy: REDIRECT, or TPROXY, which keeps the client\'s source address [default: REDIRECT] [env: ISTIO_INBOUND_INTERCEPTION_MODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s b -l istio-inbound-ports -d 'Inbound ports to redirect to the proxy: a list with ranges (8000-8100), `*` for all, empty for none [env: ISTIO_INBOUND_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s d -l istio-local-exclude-ports -d 'Inbound ports that are not redirected; only used when --istio-inbound-ports is `*` [env: ISTIO_LOCAL_EXCLUDE_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s i -l istio-service-cidr -d 'Destination ranges (CIDR) whose outbound connections go to the proxy: a list, `*` for all, empty for none [env: ISTIO_SERVICE_CIDR]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s x -l istio-service-exclude-cidr -d 'Destination ranges (CIDR) that are never redirected; beats every include [env: ISTIO_SERVICE_EXCLUDE_CIDR]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s q -l istio-outbound-ports -d 'Destination ports that go to the proxy whatever the address; exclusions still win [env: ISTIO_OUTBOUND_PORTS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s o -l istio-local-outbound-ports-exclude -d 'Destination ports, TCP and UDP, that are never redirected; beats every include [env: ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s c -l istio-exclude-interfaces -d 'Interfaces on which neither direction is redirected; a trailing `+` matches every name that begins so [env: ISTIO_EXCLUDE_INTERFACES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s k -l kube-virt-interfaces -d 'Interfaces of virtual machines whose incoming traffic counts as outbound [env: KUBE_VIRT_INTERFACES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s t -l istio-inbound-tproxy-mark -d 'Packet mark for connections that TPROXY intercepts (1 to 4294967295, decimal or 0x) [default: 1337] [env: ISTIO_INBOUND_TPROXY_MARK]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s r -l istio-inbound-tproxy-route-table -d 'Routing table that delivers marked packets locally (1 to 4294967295, not 253 to 255) [default: 133] [env: ISTIO_INBOUND_TPROXY_ROUTE_TABLE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l redirect-dns -d 'Redirect DNS over UDP and TCP to port 15053: what goes to the servers of resolv.conf [env: ISTIO_META_DNS_CAPTURE, REDIRECT_DNS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l capture-all-dns -d 'With --redirect-dns: redirect everything to port 53, not only what goes to known servers [env: CAPTURE_ALL_DNS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l resolv-conf -d 'File that names the DNS servers [default: /etc/resolv.conf] [env: MESH_INTERCEPT_RESOLV_CONF]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l drop-invalid -d 'Drop incoming packets that connection tracking calls invalid [env: INVALID_DROP, DROP_INVALID]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l dual-stack -d 'Intercept IPv6 as well, in nftables also an address that comes later; without it IPv6 is intercepted where the first address of the pod\'s interfaces is of it [env: ISTIO_DUAL_STACK, DUAL_STACK]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l uncaptured-family -d 'What happens to a pod\'s IPv6 when it is not intercepted: deny refuses it in both directions, except loopback and the proxy\'s; warn and nftables refuse neighbours at link-local addresses [default: warn] [env: MESH_INTERCEPT_UNCAPTURED_FAMILY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l quic -d 'What happens to outbound UDP to port 443: deny refuses it where TCP would be captured, so that clients take TCP [default: allow] [env: MESH_INTERCEPT_QUIC]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l backend -d 'Which back end programs the rules; auto stays where rules are already, else takes nftables [default: auto] [env: MESH_INTERCEPT_BACKEND]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l native-nftables -d 'Use nftables; the same as --backend nftables [env: NATIVE_NFTABLES]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l force-iptables-binary -d 'Use this variant of iptables; the same as --backend iptables-legacy or iptables-nft [env: FORCE_IPTABLES_BINARY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l network-namespace -d 'Work in this network namespace, such as /run/netns/NAME or /proc/PID/ns/net [env: NETWORK_NAMESPACE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l cni-mode -d 'Accepted for compatibility: nothing depends on it here [env: CNI_MODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s n -l dry-run -d 'Print what would be done, change nothing; needs no privileges [env: DRY_RUN]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l output -d 'How plan, verify, status and cleanup print; nft and iptables are for plan [default: text]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l live -d 'verify: prove by packets what the rules do, which takes SYS_ADMIN, SETUID and SETGID next to NET_ADMIN; explain: by the rules in the kernel' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l local-address -d 'With --dry-run and plan: the pod\'s addresses [default: those of the interfaces]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l reconcile -d 'Replace rules that are there and differ, without a gap; without it a difference is exit code 4 [env: RECONCILE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l migrate -d 'Move rules of the mesh from other back ends: new ones in first, old ones out after; auto takes nftables [env: MESH_INTERCEPT_MIGRATE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l cleanup-only -d 'Remove the rules and routes, apply nothing [env: CLEANUP_ONLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l force-apply -d 'Write the rules whatever is there, even if it is the same [env: FORCE_APPLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l skip-rule-apply -d 'Leave the rules as they are [env: SKIP_RULE_APPLY]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l run-validation -d 'Check by a connection that the rules work [env: RUN_VALIDATION]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l to -d 'Where the packet goes: 10.0.0.1:80 or [fd00::1]:80' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l proto -d 'The packet\'s transport protocol [default: tcp]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l from-uid -d 'The user whose socket sends the packet, when a process of the pod does [default: 1000]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l from-gid -d 'The group whose socket sends the packet [default: the number of --from-uid]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l from -d 'The packet\'s source address [default: the pod\'s for its own packets, else 192.0.2.1 or 2001:db8::1]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l in -d 'The packet comes in by this interface, from outside' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l out -d 'The interface by which the pod\'s own packet would leave, unless it stays in the pod [default: eth0]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l iptables-probe-port -d 'Port on which validation listens [default: 15002] [env: IPTABLES_PROBE_PORT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l probe-timeout -d 'How long validation may take, such as 5s or 1m30s [default: 5s] [env: PROBE_TIMEOUT]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l validation-exit-code -d 'Exit code of a failed validation: istio\'s controllers look for 126, linkerd\'s for 95 [default: 126] [env: MESH_INTERCEPT_VALIDATION_EXIT_CODE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l node-os -d 'The node\'s operating system, as its osImage says; TPROXY is refused on CentOS [env: NODE_OS_IMAGE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l host-os-release -d 'The node\'s os-release file, where it is mounted [env: HOST_OS_RELEASE]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l allow-tproxy-on-centos -d 'Use TPROXY on a CentOS node all the same [env: ALLOW_TPROXY_ON_CENTOS]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l log_output_level -d 'Log level: none, error, warn, info or debug, also as SCOPE:LEVEL; the scope `default` counts [default: default:info]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l log_as_json -d 'Log JSON objects instead of text' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l log_target -d 'Where logs go: stderr, stdout, or a file [default: stderr]' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l log_caller -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l log_stacktrace_level -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l log_rotate -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l log_rotate_max_age -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l log_rotate_max_backups -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l log_rotate_max_size -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -l vklog -d 'Accepted for compatibility' -r
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand explain" -s h -l help -d 'Print help'
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand import" -l output -d 'How the result is printed' -r -f -a "text\t''
json\t''"
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand import" -s h -l help -d 'Print help'
complete -c mesh-intercept -n "__fish_mesh_intercept_using_subcommand cni" -s h -l help -d 'Print help'
