#!/usr/bin/env bash
# NeonChat in the cluster of kubectl's current context. `deploy.sh NAME` is `make k8s-NAME`:
#
#   secrets             creates the Secret with random values, if there is none
#   deps                one Postgres and one Redis, for trials
#   rolling             releases VERSION, one instance after another
#   rolling-rollback    returns to the version before, one instance after another
#   status              what runs, in which version
#
# VERSION=1.2.3 is the tag of the images, IMAGES=registry.example.org/neonchat their registry.
# See docs/operations/kubernetes.md.
set -euo pipefail
cd -P "$(dirname "$0")"

die() {
    echo "$*" >&2
    exit 1
}

kube() {
    "${KUBECTL:-kubectl}" --namespace neonchat "$@"
}

# Prints which cluster a command changes. Without a context kubectl would use localhost:8080, the port of chat-service.
require_cluster() {
    local context server
    # In a pod kubectl knows its cluster without a context.
    [[ -z ${KUBERNETES_SERVICE_HOST:-} ]] || return 0
    context=$("${KUBECTL:-kubectl}" config current-context 2>/dev/null) ||
        die "kubectl has no current context: kubectl config get-contexts, kubectl config use-context NAME"
    server=$("${KUBECTL:-kubectl}" config view --minify --output 'jsonpath={.clusters[0].cluster.server}')
    [[ -n $server ]] || die "The context $context has no cluster."
    echo "Cluster: $context, $server" >&2
}

secrets() {
    kube apply --kustomize base/namespace
    if [[ -n $(kube get secret neonchat --ignore-not-found --output name) ]]; then
        if [[ -n $(kube get secret neonchat --output 'jsonpath={.data.REFRESH_SECRET}') ]]; then
            echo "The Secret neonchat exists and stays unchanged."
        else
            # Versions without sessions had none.
            kube patch secret neonchat --patch "{\"stringData\": {\"REFRESH_SECRET\": \"$(openssl rand -hex 32)\"}}"
        fi
        return
    fi
    for name in JWT_SECRET INTERNAL_TOKEN REFRESH_SECRET DB_PASSWORD REDIS_PASSWORD; do
        echo "$name=$(openssl rand -hex 32)"
    done | kube create secret generic neonchat --from-env-file /dev/stdin
}

deps() {
    kube apply --kustomize overlays/deps
    kube rollout status statefulset/postgres --timeout 5m
    kube rollout status deployment/redis --timeout 5m
}

# The overlay with the images of VERSION. kustomize does not accept absolute paths, so the folder is beside the overlays.
render() (
    folder=$(mktemp -d .render.XXXXXX)
    trap 'rm -r "$folder"' EXIT
    {
        echo "resources: [../overlays/rolling]"
        echo "images:"
        for service in chat-service notification-service; do
            echo "  - {name: neonchat/$service, newName: '$IMAGES/$service', newTag: '$VERSION'}"
        done
    } >"$folder/kustomization.yaml"
    kube kustomize "$folder"
)

# Applies the objects of the overlay that have these labels.
apply() {
    render | kube apply --selector "$1" --filename -
}

# Replaces the job, since a job cannot be changed, and waits until it has completed or failed.
migrate() {
    local ended="" give_up=$((SECONDS + 1000))
    kube delete job chat-service-migrate --ignore-not-found
    apply step=prepare
    until [[ $ended == *Complete* ]]; do
        if [[ $ended == *Failed* ]] || ((SECONDS > give_up)); then
            kube logs job/chat-service-migrate --tail 20 || true
            die "The migration failed. The running version is unchanged."
        fi
        sleep 1
        ended=$(kube get job chat-service-migrate --output 'jsonpath={.status.conditions[?(@.status=="True")].type}')
    done
}

# chat-service first: a new notification-service may call what only a new chat-service has.
rolling() {
    [[ ${VERSION:-} =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] || die "Set VERSION=… to the tag of the images."
    IMAGES=${IMAGES:-neonchat}
    [[ $IMAGES =~ ^[A-Za-z0-9][A-Za-z0-9_.:/-]*$ ]] || die "Set IMAGES=… to the registry of the images."
    kube get secret neonchat --output name >/dev/null || die "There are no secrets yet: make k8s-secrets"
    migrate
    for service in chat-service notification-service; do
        apply "step=run,app.kubernetes.io/name=$service"
        kube rollout status "deployment/$service" --timeout 20m
    done
    apply step=open
}

tag() {
    kube get deployment "$1" --output 'jsonpath={.spec.template.spec.containers[0].image}' | sed 's/.*://'
}

# In the reverse order. If a release stopped after chat-service, only chat-service has the new version.
rolling_rollback() {
    local services=(chat-service)
    if [[ $(tag chat-service) == "$(tag notification-service)" ]]; then services=(notification-service chat-service); fi
    for service in "${services[@]}"; do
        kube rollout undo "deployment/$service"
        kube rollout status "deployment/$service" --timeout 20m
    done
}

case ${1:-} in
"") sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' deploy.sh ;;
secrets | deps | rolling | rolling-rollback)
    require_cluster
    "${1//-/_}"
    ;;
status)
    require_cluster
    kube get deployments,horizontalpodautoscalers --selector step=run --output wide
    ;;
*) die "Unknown command k8s-$1. \`make k8s\` lists the commands." ;;
esac
