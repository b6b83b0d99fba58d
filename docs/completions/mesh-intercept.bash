_mesh__intercept() {
    local i cur prev opts cmd
    COMPREPLY=()
    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
        cur="$2"
    else
        cur="${COMP_WORDS[COMP_CWORD]}"
    fi
    prev="$3"
    cmd=""
    opts=""

    for i in "${COMP_WORDS[@]:0:COMP_CWORD}"
    do
        case "${cmd},${i}" in
            ",$1")
                cmd="mesh__intercept"
                ;;
            mesh__intercept,cleanup)
                cmd="mesh__intercept__subcmd__cleanup"
                ;;
            mesh__intercept,cni)
                cmd="mesh__intercept__subcmd__cni"
                ;;
            mesh__intercept,explain)
                cmd="mesh__intercept__subcmd__explain"
                ;;
            mesh__intercept,import)
                cmd="mesh__intercept__subcmd__import"
                ;;
            mesh__intercept,init)
                cmd="mesh__intercept__subcmd__init"
                ;;
            mesh__intercept,istio-iptables)
                cmd="mesh__intercept__subcmd__init"
                ;;
            mesh__intercept,plan)
                cmd="mesh__intercept__subcmd__plan"
                ;;
            mesh__intercept,status)
                cmd="mesh__intercept__subcmd__status"
                ;;
            mesh__intercept,verify)
                cmd="mesh__intercept__subcmd__verify"
                ;;
            *)
                ;;
        esac
    done

    case "${cmd}" in
        mesh__intercept)
            opts="-h -V --help --version init istio-iptables plan cleanup status verify explain import cni"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 1 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        mesh__intercept__subcmd__cleanup)
            opts="-p -z -e -u -g -m -b -d -i -x -q -o -c -k -t -r -n -h --envoy-port --inbound-capture-port --inbound-tunnel-port --proxy-uid --proxy-gid --istio-inbound-interception-mode --istio-inbound-ports --istio-local-exclude-ports --istio-service-cidr --istio-service-exclude-cidr --istio-outbound-ports --istio-local-outbound-ports-exclude --istio-exclude-interfaces --kube-virt-interfaces --istio-inbound-tproxy-mark --istio-inbound-tproxy-route-table --redirect-dns --capture-all-dns --resolv-conf --drop-invalid --dual-stack --uncaptured-family --quic --backend --native-nftables --force-iptables-binary --network-namespace --cni-mode --dry-run --output --local-address --reconcile --migrate --cleanup-only --force-apply --skip-rule-apply --run-validation --iptables-probe-port --probe-timeout --validation-exit-code --node-os --host-os-release --allow-tproxy-on-centos --log_output_level --log_as_json --log_target --log_caller --log_stacktrace_level --log_rotate --log_rotate_max_age --log_rotate_max_backups --log_rotate_max_size --vklog --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --envoy-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -p)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --inbound-capture-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -z)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --inbound-tunnel-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -e)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --proxy-uid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -u)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --proxy-gid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -g)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-interception-mode)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -m)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -b)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-local-exclude-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -d)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-service-cidr)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -i)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-service-exclude-cidr)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -x)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-outbound-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -q)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-local-outbound-ports-exclude)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -o)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-exclude-interfaces)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --kube-virt-interfaces)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -k)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-tproxy-mark)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -t)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-tproxy-route-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -r)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redirect-dns)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --capture-all-dns)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --resolv-conf)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --drop-invalid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dual-stack)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --uncaptured-family)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --quic)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --backend)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --native-nftables)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --force-iptables-binary)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --network-namespace)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cni-mode)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dry-run)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -n)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --local-address)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reconcile)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --migrate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cleanup-only)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --force-apply)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --skip-rule-apply)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --run-validation)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --iptables-probe-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --probe-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --validation-exit-code)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --node-os)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --host-os-release)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --allow-tproxy-on-centos)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_output_level)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_as_json)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_target)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_caller)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_stacktrace_level)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_age)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_backups)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_size)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --vklog)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        mesh__intercept__subcmd__cni)
            opts="-h --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        mesh__intercept__subcmd__explain)
            opts="-p -z -e -u -g -m -b -d -i -x -q -o -c -k -t -r -n -h --envoy-port --inbound-capture-port --inbound-tunnel-port --proxy-uid --proxy-gid --istio-inbound-interception-mode --istio-inbound-ports --istio-local-exclude-ports --istio-service-cidr --istio-service-exclude-cidr --istio-outbound-ports --istio-local-outbound-ports-exclude --istio-exclude-interfaces --kube-virt-interfaces --istio-inbound-tproxy-mark --istio-inbound-tproxy-route-table --redirect-dns --capture-all-dns --resolv-conf --drop-invalid --dual-stack --uncaptured-family --quic --backend --native-nftables --force-iptables-binary --network-namespace --cni-mode --dry-run --output --live --local-address --reconcile --migrate --cleanup-only --force-apply --skip-rule-apply --run-validation --to --proto --from-uid --from-gid --from --in --out --iptables-probe-port --probe-timeout --validation-exit-code --node-os --host-os-release --allow-tproxy-on-centos --log_output_level --log_as_json --log_target --log_caller --log_stacktrace_level --log_rotate --log_rotate_max_age --log_rotate_max_backups --log_rotate_max_size --vklog --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --envoy-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -p)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --inbound-capture-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -z)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --inbound-tunnel-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -e)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --proxy-uid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -u)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --proxy-gid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -g)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-interception-mode)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -m)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -b)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-local-exclude-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -d)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-service-cidr)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -i)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-service-exclude-cidr)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -x)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-outbound-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -q)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-local-outbound-ports-exclude)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -o)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-exclude-interfaces)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --kube-virt-interfaces)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -k)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-tproxy-mark)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -t)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-tproxy-route-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -r)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redirect-dns)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --capture-all-dns)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --resolv-conf)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --drop-invalid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dual-stack)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --uncaptured-family)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --quic)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --backend)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --native-nftables)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --force-iptables-binary)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --network-namespace)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cni-mode)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dry-run)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -n)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --live)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --local-address)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reconcile)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --migrate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cleanup-only)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --force-apply)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --skip-rule-apply)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --run-validation)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --to)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --proto)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --from-uid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --from-gid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --from)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --in)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --out)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --iptables-probe-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --probe-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --validation-exit-code)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --node-os)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --host-os-release)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --allow-tproxy-on-centos)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_output_level)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_as_json)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_target)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_caller)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_stacktrace_level)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_age)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_backups)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_size)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --vklog)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        mesh__intercept__subcmd__import)
            opts="-h --output --help linkerd kuma consul"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --output)
                    COMPREPLY=($(compgen -W "text json" -- "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        mesh__intercept__subcmd__init)
            opts="-p -z -e -u -g -m -b -d -i -x -q -o -c -k -t -r -n -h --envoy-port --inbound-capture-port --inbound-tunnel-port --proxy-uid --proxy-gid --istio-inbound-interception-mode --istio-inbound-ports --istio-local-exclude-ports --istio-service-cidr --istio-service-exclude-cidr --istio-outbound-ports --istio-local-outbound-ports-exclude --istio-exclude-interfaces --kube-virt-interfaces --istio-inbound-tproxy-mark --istio-inbound-tproxy-route-table --redirect-dns --capture-all-dns --resolv-conf --drop-invalid --dual-stack --uncaptured-family --quic --backend --native-nftables --force-iptables-binary --network-namespace --cni-mode --dry-run --output --local-address --reconcile --migrate --cleanup-only --force-apply --skip-rule-apply --run-validation --iptables-probe-port --probe-timeout --validation-exit-code --node-os --host-os-release --allow-tproxy-on-centos --log_output_level --log_as_json --log_target --log_caller --log_stacktrace_level --log_rotate --log_rotate_max_age --log_rotate_max_backups --log_rotate_max_size --vklog --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --envoy-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -p)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --inbound-capture-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -z)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --inbound-tunnel-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -e)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --proxy-uid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -u)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --proxy-gid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -g)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-interception-mode)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -m)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -b)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-local-exclude-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -d)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-service-cidr)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -i)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-service-exclude-cidr)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -x)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-outbound-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -q)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-local-outbound-ports-exclude)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -o)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-exclude-interfaces)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --kube-virt-interfaces)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -k)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-tproxy-mark)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -t)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-tproxy-route-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -r)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redirect-dns)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --capture-all-dns)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --resolv-conf)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --drop-invalid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dual-stack)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --uncaptured-family)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --quic)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --backend)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --native-nftables)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --force-iptables-binary)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --network-namespace)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cni-mode)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dry-run)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -n)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --local-address)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reconcile)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --migrate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cleanup-only)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --force-apply)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --skip-rule-apply)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --run-validation)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --iptables-probe-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --probe-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --validation-exit-code)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --node-os)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --host-os-release)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --allow-tproxy-on-centos)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_output_level)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_as_json)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_target)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_caller)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_stacktrace_level)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_age)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_backups)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_size)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --vklog)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        mesh__intercept__subcmd__plan)
            opts="-p -z -e -u -g -m -b -d -i -x -q -o -c -k -t -r -n -h --envoy-port --inbound-capture-port --inbound-tunnel-port --proxy-uid --proxy-gid --istio-inbound-interception-mode --istio-inbound-ports --istio-local-exclude-ports --istio-service-cidr --istio-service-exclude-cidr --istio-outbound-ports --istio-local-outbound-ports-exclude --istio-exclude-interfaces --kube-virt-interfaces --istio-inbound-tproxy-mark --istio-inbound-tproxy-route-table --redirect-dns --capture-all-dns --resolv-conf --drop-invalid --dual-stack --uncaptured-family --quic --backend --native-nftables --force-iptables-binary --network-namespace --cni-mode --dry-run --output --local-address --reconcile --migrate --cleanup-only --force-apply --skip-rule-apply --run-validation --iptables-probe-port --probe-timeout --validation-exit-code --node-os --host-os-release --allow-tproxy-on-centos --log_output_level --log_as_json --log_target --log_caller --log_stacktrace_level --log_rotate --log_rotate_max_age --log_rotate_max_backups --log_rotate_max_size --vklog --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --envoy-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -p)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --inbound-capture-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -z)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --inbound-tunnel-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -e)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --proxy-uid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -u)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --proxy-gid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -g)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-interception-mode)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -m)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -b)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-local-exclude-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -d)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-service-cidr)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -i)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-service-exclude-cidr)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -x)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-outbound-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -q)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-local-outbound-ports-exclude)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -o)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-exclude-interfaces)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --kube-virt-interfaces)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -k)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-tproxy-mark)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -t)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-tproxy-route-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -r)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redirect-dns)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --capture-all-dns)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --resolv-conf)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --drop-invalid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dual-stack)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --uncaptured-family)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --quic)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --backend)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --native-nftables)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --force-iptables-binary)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --network-namespace)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cni-mode)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dry-run)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -n)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --local-address)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reconcile)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --migrate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cleanup-only)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --force-apply)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --skip-rule-apply)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --run-validation)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --iptables-probe-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --probe-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --validation-exit-code)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --node-os)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --host-os-release)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --allow-tproxy-on-centos)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_output_level)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_as_json)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_target)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_caller)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_stacktrace_level)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_age)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_backups)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_size)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --vklog)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        mesh__intercept__subcmd__status)
            opts="-p -z -e -u -g -m -b -d -i -x -q -o -c -k -t -r -n -h --envoy-port --inbound-capture-port --inbound-tunnel-port --proxy-uid --proxy-gid --istio-inbound-interception-mode --istio-inbound-ports --istio-local-exclude-ports --istio-service-cidr --istio-service-exclude-cidr --istio-outbound-ports --istio-local-outbound-ports-exclude --istio-exclude-interfaces --kube-virt-interfaces --istio-inbound-tproxy-mark --istio-inbound-tproxy-route-table --redirect-dns --capture-all-dns --resolv-conf --drop-invalid --dual-stack --uncaptured-family --quic --backend --native-nftables --force-iptables-binary --network-namespace --cni-mode --dry-run --output --watch --local-address --reconcile --migrate --cleanup-only --force-apply --skip-rule-apply --run-validation --iptables-probe-port --probe-timeout --validation-exit-code --node-os --host-os-release --allow-tproxy-on-centos --log_output_level --log_as_json --log_target --log_caller --log_stacktrace_level --log_rotate --log_rotate_max_age --log_rotate_max_backups --log_rotate_max_size --vklog --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --envoy-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -p)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --inbound-capture-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -z)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --inbound-tunnel-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -e)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --proxy-uid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -u)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --proxy-gid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -g)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-interception-mode)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -m)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -b)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-local-exclude-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -d)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-service-cidr)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -i)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-service-exclude-cidr)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -x)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-outbound-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -q)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-local-outbound-ports-exclude)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -o)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-exclude-interfaces)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --kube-virt-interfaces)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -k)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-tproxy-mark)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -t)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-tproxy-route-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -r)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redirect-dns)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --capture-all-dns)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --resolv-conf)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --drop-invalid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dual-stack)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --uncaptured-family)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --quic)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --backend)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --native-nftables)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --force-iptables-binary)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --network-namespace)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cni-mode)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dry-run)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -n)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --watch)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --local-address)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reconcile)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --migrate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cleanup-only)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --force-apply)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --skip-rule-apply)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --run-validation)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --iptables-probe-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --probe-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --validation-exit-code)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --node-os)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --host-os-release)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --allow-tproxy-on-centos)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_output_level)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_as_json)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_target)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_caller)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_stacktrace_level)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_age)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_backups)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_size)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --vklog)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
        mesh__intercept__subcmd__verify)
            opts="-p -z -e -u -g -m -b -d -i -x -q -o -c -k -t -r -n -h --envoy-port --inbound-capture-port --inbound-tunnel-port --proxy-uid --proxy-gid --istio-inbound-interception-mode --istio-inbound-ports --istio-local-exclude-ports --istio-service-cidr --istio-service-exclude-cidr --istio-outbound-ports --istio-local-outbound-ports-exclude --istio-exclude-interfaces --kube-virt-interfaces --istio-inbound-tproxy-mark --istio-inbound-tproxy-route-table --redirect-dns --capture-all-dns --resolv-conf --drop-invalid --dual-stack --uncaptured-family --quic --backend --native-nftables --force-iptables-binary --network-namespace --cni-mode --dry-run --output --live --local-address --reconcile --migrate --cleanup-only --force-apply --skip-rule-apply --run-validation --iptables-probe-port --probe-timeout --validation-exit-code --node-os --host-os-release --allow-tproxy-on-centos --log_output_level --log_as_json --log_target --log_caller --log_stacktrace_level --log_rotate --log_rotate_max_age --log_rotate_max_backups --log_rotate_max_size --vklog --help"
            if [[ ${cur} == -* || ${COMP_CWORD} -eq 2 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
                return 0
            fi
            case "${prev}" in
                --envoy-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -p)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --inbound-capture-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -z)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --inbound-tunnel-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -e)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --proxy-uid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -u)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --proxy-gid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -g)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-interception-mode)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -m)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -b)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-local-exclude-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -d)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-service-cidr)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -i)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-service-exclude-cidr)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -x)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-outbound-ports)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -q)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-local-outbound-ports-exclude)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -o)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-exclude-interfaces)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -c)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --kube-virt-interfaces)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -k)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-tproxy-mark)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -t)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --istio-inbound-tproxy-route-table)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -r)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --redirect-dns)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --capture-all-dns)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --resolv-conf)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --drop-invalid)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dual-stack)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --uncaptured-family)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --quic)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --backend)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --native-nftables)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --force-iptables-binary)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --network-namespace)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cni-mode)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --dry-run)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                -n)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --output)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --live)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --local-address)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --reconcile)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --migrate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --cleanup-only)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --force-apply)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --skip-rule-apply)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --run-validation)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --iptables-probe-port)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --probe-timeout)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --validation-exit-code)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --node-os)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --host-os-release)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --allow-tproxy-on-centos)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_output_level)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_as_json)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_target)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_caller)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_stacktrace_level)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_age)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_backups)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --log_rotate_max_size)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                --vklog)
                    COMPREPLY=($(compgen -f "${cur}"))
                    return 0
                    ;;
                *)
                    COMPREPLY=()
                    ;;
            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
            return 0
            ;;
    esac
}

if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -F _mesh__intercept -o nosort -o bashdefault -o default mesh-intercept
else
    complete -F _mesh__intercept -o bashdefault -o default mesh-intercept
fi
