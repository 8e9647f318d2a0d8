#!/usr/bin/env bash
# Checks the manifests without a cluster: kustomize builds them, they match the API's schemas of the oldest supported version and
# of the newest, and their settings exist.
set -euo pipefail
cd -P "$(dirname "$0")"

KUBECTL=${KUBECTL:-kubectl}
VALIDATE=${KUBERNETES_VALIDATE:-kubernetes-validate}
OVERLAYS=(rolling deps)

"$KUBECTL" version --client >/dev/null 2>&1 || {
    echo "kubectl is missing: https://kubernetes.io/docs/tasks/tools/ (or KUBECTL=…)." >&2
    exit 1
}
"$VALIDATE" --version >/dev/null 2>&1 || {
    echo "kubernetes-validate is missing: pip install kubernetes-validate (or KUBERNETES_VALIDATE=…)." >&2
    exit 1
}

built=$(mktemp -d .render.XXXXXX)
trap 'rm -r "$built"' EXIT
for overlay in "${OVERLAYS[@]}"; do
    "$KUBECTL" kustomize "overlays/$overlay" >"$built/$overlay.yaml"
done
# The overlay with every component.
mkdir "$built/components"
cat >"$built/components/kustomization.yaml" <<'EOF'
resources: [../../overlays/rolling]
components: [../../components/scale-by-sockets]
EOF
"$KUBECTL" kustomize "$built/components" >"$built/components.yaml"
grep -q 'name: websocket_connections_current' "$built/components.yaml"

for version in 1.30 1.37; do
    for manifests in "$built"/*.yaml; do
        # Strict: unknown fields are errors.
        "$VALIDATE" --strict --kubernetes-version "$version" "$manifests" >"$built/output" 2>&1 || {
            grep -v '^INFO' "$built/output" >&2
            exit 1
        }
    done
done

# Names in upper case are settings.
grep -ohE '^ +(- name: )?[A-Z][A-Z0-9_]{2,}' "$built/rolling.yaml" | grep -oE '[A-Z0-9_]+$' | sort -u |
    while read -r setting; do
        grep -q "^$setting=" ../../.env.example || {
            echo "$setting is not a setting of NeonChat" >&2
            exit 1
        }
    done
# Without a context, deploy.sh has to stop before kubectl asks localhost:8080, the port of chat-service.
if KUBECONFIG=/dev/null KUBERNETES_SERVICE_HOST='' ./deploy.sh status >"$built/output" 2>&1 || ! grep -q 'no current context' "$built/output"; then
    cat "$built/output" >&2
    exit 1
fi

# deploy.sh with a stand-in for kubectl. It records what changes the cluster, and answers `get` with files of its folder.
stand_in=$built/stand-in
export REAL_KUBECTL=$KUBECTL
mkdir "$stand_in"
cat >"$stand_in/kubectl" <<'EOF'
#!/usr/bin/env bash
set -euo pipefail
folder=${0%/*}
[[ $1 != --namespace ]] || shift 2
case "$1 ${2:-}" in
"kustomize "*) exec "$REAL_KUBECTL" "$@" ;;
"config current-context") echo test ;;
"config view") echo https://cluster.example ;;
"get "*) cat "$folder/$2-$3" ;;
"apply --selector") echo "apply $3 $(grep -cE 'image: neonchat/(chat|notification)-service:2$')" >>"$folder/changes" ;;
*) echo "$1 ${2:-} ${3:-}" >>"$folder/changes" ;;
esac
EOF
chmod +x "$stand_in/kubectl"

# Runs a command of deploy.sh. What it changes has to equal the input.
expect() {
    : >"$stand_in/changes"
    VERSION=2 KUBECTL=$PWD/$stand_in/kubectl ./deploy.sh "$1" >"$built/output" 2>&1 ||
        echo failed >>"$stand_in/changes"
    diff - "$stand_in/changes" || {
        cat "$built/output" >&2
        echo "deploy.sh $1 makes other changes than expected" >&2
        exit 1
    }
}

echo secret/neonchat >"$stand_in/secret-neonchat"
echo SuccessCriteriaMet Complete >"$stand_in/job-chat-service-migrate"
# The number counts the images of the new version: of the job and of both Deployments.
expect rolling <<'EOF'
delete job chat-service-migrate
apply step=prepare 3
apply step=run,app.kubernetes.io/name=chat-service 3
rollout status deployment/chat-service
apply step=run,app.kubernetes.io/name=notification-service 3
rollout status deployment/notification-service
apply step=open 3
EOF

echo FailureTarget Failed >"$stand_in/job-chat-service-migrate"
expect rolling <<'EOF'
delete job chat-service-migrate
apply step=prepare 3
logs job/chat-service-migrate --tail
failed
EOF

echo neonchat/chat-service:2 >"$stand_in/deployment-chat-service"
echo neonchat/notification-service:2 >"$stand_in/deployment-notification-service"
expect rolling-rollback <<'EOF'
rollout undo deployment/notification-service
rollout status deployment/notification-service
rollout undo deployment/chat-service
rollout status deployment/chat-service
EOF

# A release that stopped after chat-service.
echo neonchat/notification-service:1 >"$stand_in/deployment-notification-service"
expect rolling-rollback <<'EOF'
rollout undo deployment/chat-service
rollout status deployment/chat-service
EOF

echo "The manifests are valid for Kubernetes 1.30 and 1.37, and deploy.sh makes the expected changes."
