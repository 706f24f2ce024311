# bash completion for sluice and sluice-echo
_sluice() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in serve | check | explain | health | backends | ingresses | conf | certs | version) command=$word; break ;; esac
  done
  COMPREPLY=()
  case $prev in
    --manifests) COMPREPLY=($(compgen -d -- "$cur")); return ;;
    --config | --kubeconfig | --admin-token-file | --validating-webhook-certificate | --validating-webhook-key | --validating-webhook-client-ca) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --access-log) COMPREPLY=($(compgen -W "off -" -- "$cur") $(compgen -f -- "$cur")); return ;;
    --log-level) COMPREPLY=($(compgen -W "trace debug info warn error critical off" -- "$cur")); return ;;
    --set)
      COMPREPLY=($(compgen -S = -W "access-log-path client-body-timeout client-header-timeout disable-access-log force-ssl-redirect
        forwarded-for-header hsts hsts-max-age http-redirect-code keep-alive keep-alive-requests log-format-upstream proxy-body-size
        proxy-connect-timeout proxy-read-timeout proxy-send-timeout server-tokens ssl-ciphers ssl-protocols ssl-redirect
        use-forwarded-headers" -- "$cur")); compopt -o nospace 2>/dev/null; return ;;
    --admin-pages) COMPREPLY=($(compgen -W "guarded open off" -- "$cur")); return ;;
    --update-status | --update-status-on-shutdown | --admin-trust-loopback) COMPREPLY=($(compgen -W "true false" -- "$cur")); return ;;
    --context | --watch-namespace | --watch-namespace-selector | --zone | --node-name | --publish-service | --publish-status-address | --election-id | --validating-webhook | --validating-webhook-service | --validating-webhook-configuration) return ;;
    --http | --https | --admin | --admin-host | --workers | --ingress-class | --controller-class | --default-ssl-certificate | --default-backend | --endpoint | --configmap | --tcp-services-configmap | --udp-services-configmap | --stream-address | --annotations-prefix | --accept-unprotected | -H | --header | --host | -n | --namespace | --backend) return ;;
  esac
  local common="--ingress-class --controller-class --watch-ingress-without-class --default-backend --default-ssl-certificate --enable-ssl-passthrough --disable-catch-all --disable-svc-external-name --zone --node-name --configmap --tcp-services-configmap --udp-services-configmap --annotations-prefix --accept-unprotected --endpoint --set --help"
  local cluster="--kubeconfig --validating-webhook-certificate --validating-webhook-key --validating-webhook-client-ca --kubernetes --update-status --update-status-on-shutdown --report-node-internal-ip-address --status-annotation --disable-leader-election --context --watch-namespace --watch-namespace-selector --publish-service --publish-status-address --election-id --validating-webhook --validating-webhook-service --validating-webhook-configuration"
  case $command in
    serve) COMPREPLY=($(compgen -W "--manifests --namespace --http --https --admin --admin-token-file --admin-trust-loopback --admin-pages --admin-host --workers --access-log --log-level --log-json --buffer-directory --buffer-limit --memory-limit --core-dumps --share-ports --stream-address --config $cluster $common" -- "$cur")) ;;
    check) COMPREPLY=($(compgen -W "--namespace --json --strict --all --kubernetes --kubeconfig --context --watch-namespace $common" -- "$cur") $(compgen -f -- "$cur")) ;;
    explain)
      if [[ $prev == explain ]]; then COMPREPLY=($(compgen -f -- "$cur"))
      elif [[ ${COMP_WORDS[COMP_CWORD-2]} == explain ]]; then COMPREPLY=($(compgen -W "GET HEAD POST PUT PATCH DELETE OPTIONS tcp udp" -- "$cur"))
      else COMPREPLY=($(compgen -W "-H --header --from --namespace --watch-namespace --json $common" -- "$cur")); fi ;;
    health) COMPREPLY=($(compgen -W "--admin --help" -- "$cur")) ;;
    backends) COMPREPLY=($(compgen -W "--backend --list --admin --admin-token-file --help" -- "$cur")) ;;
    ingresses) COMPREPLY=($(compgen -W "--host --namespace --json --admin --admin-token-file --help" -- "$cur")) ;;
    conf) COMPREPLY=($(compgen -W "--host --json --admin --admin-token-file --help" -- "$cur")) ;;
    certs) COMPREPLY=($(compgen -W "--host --admin --admin-token-file --help" -- "$cur")) ;;
    version) ;;
    *) COMPREPLY=($(compgen -W "serve check explain health backends ingresses conf certs version --help" -- "$cur")) ;;
  esac
}
_sluice_echo() {
  local cur=${COMP_WORDS[COMP_CWORD]}
  case ${COMP_WORDS[COMP_CWORD-1]} in
    --tls-cert | --tls-key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --listen | --tls-listen | --name | --threads) COMPREPLY=(); return ;;
  esac
  COMPREPLY=($(compgen -W "--listen --tls-listen --tls-cert --tls-key --name --threads --help" -- "$cur"))
}
complete -F _sluice sluice
complete -F _sluice_echo sluice-echo
