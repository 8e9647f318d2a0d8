#!/usr/bin/env bash
# NeonChat in the cluster of kubectl's current context. `deploy.sh NAME` is `make k8s-NAME`:
#
#   secrets             secrets made at random, where there are none
#   deps                a Postgres and a Redis, to try things out
#   status              what runs in which version, and who has the traffic
#
#   rolling             VERSION, one instance after another
#   rolling-rollback    the version before, in the same way
#
#   blue-green          VERSION beside what runs, and then all traffic to it
#   apply-blue          all traffic to blue; with VERSION, of which instances are started before
#   apply-green         the same for green
#   retire              ends the instances that have no traffic; before that, their sockets stay
#
#   canary              VERSION, one instance of each service beside what runs
#   canary-migrate      its version for all, one instance after another
#   canary-apply        its version for all at once
#   canary-rollback     the version before for all
#
# VERSION=1.2.3 is the tag of the images; IMAGES=registry.example.org/neonchat is where they are.
# docs/OPERATIONS.md, "Kubernetes", says more.
set -euo pipefail
cd -P "$(dirname "$0")"

SERVICES=(chat-service notification-service)

die() {
    echo "$*" >&2
    exit 1
}

kube() {
    "${KUBECTL:-kubectl}" --namespace neonchat "$@"
}

# Says which cluster a command is for. Without a context kubectl would ask localhost:8080, which is chat-service's own port.
wants_cluster() {
    local context server
    # Within a pod kubectl knows its cluster without a context.
    [[ -z ${KUBERNETES_SERVICE_HOST:-} ]] || return 0
    context=$("${KUBECTL:-kubectl}" config current-context 2>/dev/null) ||
        die "kubectl has no current context: kubectl config get-contexts, kubectl config use-context NAME"
    server=$("${KUBECTL:-kubectl}" config view --minify --output 'jsonpath={.clusters[0].cluster.server}')
    [[ -n $server ]] || die "The context $context has no cluster."
    echo "Cluster: $context, $server" >&2
}

# Of a service in a track.
deployment() {
    [[ $2 == stable ]] && echo "$1" || echo "$1-$2"
}

image() {
    kube get deployment "$(deployment "$1" "$2")" --ignore-not-found \
        --output 'jsonpath={.spec.template.spec.containers[0].image}'
}

replicas() {
    local count
    count=$(kube get deployment "$(deployment "$1" "$2")" --ignore-not-found --output 'jsonpath={.spec.replicas}')
    echo "${count:-0}"
}

# The track that has the traffic; `stable` may share it with a canary. Nothing before the first deployment.
live() {
    local track
    track=$(kube get service chat-service --ignore-not-found --output 'jsonpath=there {.spec.selector.track}')
    track=${track#there}
    if [[ $track == " " ]]; then echo stable; else echo "${track# }"; fi
}

wants_version() {
    [[ ${VERSION:-} =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ ]] || die "VERSION=… has to be the tag of the images."
    IMAGES=${IMAGES:-neonchat}
    [[ $IMAGES =~ ^[A-Za-z0-9][A-Za-z0-9_.:/-]*$ ]] || die "IMAGES=… has to be where the images are."
    kube get secret neonchat --output name >/dev/null || die "There are no secrets yet: make k8s-secrets"
}

wants_version_of_canary() {
    local image
    image=$(image chat-service canary)
    [[ -n $image && $(replicas chat-service canary) -gt 0 ]] || die "There is no canary: make k8s-canary VERSION=…"
    VERSION=${image##*:} IMAGES=${image%/chat-service:*}
    wants_version
}

# An overlay with the images of VERSION. kustomize takes no folder by an absolute path, so this one is beside the overlays.
render() (
    folder=$(mktemp -d .render.XXXXXX)
    trap 'rm -r "$folder"' EXIT
    {
        echo "resources: [../overlays/$1]"
        echo "images:"
        for service in "${SERVICES[@]}"; do
            echo "  - {name: neonchat/$service, newName: '${IMAGES:-neonchat}/$service', newTag: '${VERSION:-none}'}"
        done
    } >"$folder/kustomization.yaml"
    kube kustomize "$folder"
)

# Of an overlay, what bears these labels.
apply() {
    render "$1" | kube apply --selector "$2" --filename -
}

# What the instances of an overlay need before they start.
prepare() {
    local ended="" give_up=$((SECONDS + 1000))
    # A job cannot be changed, only made anew.
    kube delete job chat-service-migrate --ignore-not-found
    apply "$1" step=prepare
    until [[ $ended == *Complete* ]]; do
        if [[ $ended == *Failed* ]] || ((SECONDS > give_up)); then
            kube logs job/chat-service-migrate --tail 20 || true
            die "The database is not migrated. What ran before runs on."
        fi
        sleep 1
        ended=$(kube get job chat-service-migrate --output 'jsonpath={.status.conditions[?(@.status=="True")].type}')
    done
}

until_ready() {
    kube rollout status "deployment/$(deployment "$1" "$2")" --timeout 20m
}

# The instances of an overlay, whose track this is. chat-service comes first: notification-service may ask for what is new.
run() {
    for service in "${SERVICES[@]}"; do
        apply "$1" "step=run,app.kubernetes.io/name=$service"
        until_ready "$service" "$2"
    done
}

# As many instances of one track as of another, so that it can take over. What is too many, the autoscalers end.
grow() {
    local wanted
    for service in "${SERVICES[@]}"; do
        wanted=$(replicas "$service" "${2:-none}")
        ((wanted >= 2)) || wanted=2
        if (($(replicas "$service" "$1") < wanted)); then
            kube scale "deployment/$(deployment "$service" "$1")" --replicas "$wanted"
        fi
    done
    for service in "${SERVICES[@]}"; do until_ready "$service" "$1"; done
}

# Ends the instances of all tracks but one. Their clients are told to come back.
retire_all_but() {
    local names
    names=$(kube get deployments --selector "step=run,track!=$1" --output name)
    [[ -z $names ]] || xargs "${KUBECTL:-kubectl}" --namespace neonchat scale --replicas 0 <<<"$names"
}

undo() {
    kube rollout undo "deployment/$1"
    kube rollout status "deployment/$1" --timeout 20m
}

rolling() {
    local before
    wants_version
    before=$(live)
    prepare rolling
    run rolling stable
    grow stable "$before"
    apply rolling step=open
    retire_all_but stable
}

rolling_rollback() {
    local new old
    new=$(image chat-service stable) old=$(image notification-service stable)
    # Where they differ, the way there, or back, was left half-way: chat-service alone has the new version.
    if [[ ${new##*:} == "${old##*:}" ]]; then undo notification-service; fi
    undo chat-service
}

take_over() {
    local track=$1 before
    before=$(live)
    if [[ -n ${VERSION:-} ]]; then
        [[ $track != "$before" ]] || die "$track has the traffic: make k8s-blue-green deploys beside it."
        wants_version
        prepare "blue-green/$track"
        run "blue-green/$track" "$track"
    elif [[ -z $(image chat-service "$track") ]]; then
        die "There is no $track yet: VERSION=…"
    fi
    grow "$track" "$before"
    apply "blue-green/$track" step=open
    echo "$track has the traffic."
    if [[ -n $before && $before != "$track" ]]; then
        echo "$before keeps the sockets that it has, until make k8s-retire."
        [[ $before == stable ]] || echo "Back: make k8s-apply-$before"
    fi
}

blue_green() {
    wants_version
    if [[ $(live) == blue ]]; then take_over green; else take_over blue; fi
}

canary() {
    wants_version
    [[ $(live) == stable ]] || die "A canary is beside what make k8s-rolling deployed."
    [[ $(image chat-service stable) != "$IMAGES/chat-service:$VERSION" ]] || die "$VERSION is what runs."
    prepare canary
    run canary canary
}

canary_migrate() {
    wants_version_of_canary
    run rolling stable
    retire_all_but stable
}

canary_apply() {
    wants_version_of_canary
    grow canary stable
    apply canary/only step=open
    run rolling stable
    apply rolling step=open
    retire_all_but stable
}

canary_rollback() {
    [[ -n $(image chat-service canary) ]] || die "There was no canary."
    apply rolling step=open
    for service in notification-service chat-service; do
        if [[ $(image "$service" stable) == "$(image "$service" canary)" ]]; then undo "$service"; fi
    done
    retire_all_but stable
}

secrets() {
    kube apply --kustomize base/namespace
    if [[ -n $(kube get secret neonchat --ignore-not-found --output name) ]]; then
        echo "The Secret neonchat is there, and left as it is."
        return
    fi
    for name in JWT_SECRET INTERNAL_TOKEN DB_PASSWORD REDIS_PASSWORD; do
        echo "$name=$(openssl rand -hex 32)"
    done | kube create secret generic neonchat --from-env-file /dev/stdin
}

case ${1:-} in
"" | -*) ;;
*) wants_cluster ;;
esac
case ${1:-} in
secrets) secrets ;;
deps)
    kube apply --kustomize overlays/deps
    kube rollout status statefulset/postgres --timeout 5m
    kube rollout status deployment/redis --timeout 5m
    ;;
status)
    echo "The traffic goes to: $(live)"
    kube get deployments,horizontalpodautoscalers --selector step=run --label-columns track --output wide
    ;;
rolling) rolling ;;
rolling-rollback) rolling_rollback ;;
blue-green) blue_green ;;
apply-blue) take_over blue ;;
apply-green) take_over green ;;
retire)
    track=$(live)
    retire_all_but "${track:?nothing has the traffic}"
    ;;
canary) canary ;;
canary-migrate) canary_migrate ;;
canary-apply) canary_apply ;;
canary-rollback) canary_rollback ;;
"") sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' deploy.sh ;;
*) die "There is no k8s-$1; make k8s tells what there is." ;;
esac
