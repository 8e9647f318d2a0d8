#!/usr/bin/env bash
# What can be known of the manifests without a cluster: kustomize builds them all, they are what the API takes, in the oldest
# version that they are for and in the newest, and the programs know the settings.
set -euo pipefail
cd -P "$(dirname "$0")"

KUBECTL=${KUBECTL:-kubectl}
VALIDATE=${KUBERNETES_VALIDATE:-kubernetes-validate}
OVERLAYS=(rolling canary canary/only blue-green/blue blue-green/green deps)

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
    "$KUBECTL" kustomize "overlays/$overlay" >"$built/${overlay//\//-}.yaml"
done
# Every component, on the overlay that is without.
mkdir "$built/components"
cat >"$built/components/kustomization.yaml" <<'EOF'
resources: [../../overlays/rolling]
components: [../../components/own-addresses, ../../components/scale-by-sockets]
EOF
"$KUBECTL" kustomize "$built/components" >"$built/components.yaml"
grep -q 'name: websocket_connections_current' "$built/components.yaml"

for version in 1.30 1.37; do
    for manifests in "$built"/*.yaml; do
        # Strict: what the API does not know is an error too.
        "$VALIDATE" --strict --kubernetes-version "$version" "$manifests" >"$built/said" 2>&1 || {
            grep -v '^INFO' "$built/said" >&2
            exit 1
        }
    done
done

# The names in upper case are settings.
grep -ohE '^ +(- name: )?[A-Z][A-Z0-9_]{2,}' "$built"/{rolling,canary,blue-green-*}.yaml | grep -oE '[A-Z0-9_]+$' | sort -u |
    while read -r setting; do
        grep -q "^$setting=" ../../.env.example || {
            echo "$setting: no setting of NeonChat" >&2
            exit 1
        }
    done
# Without a cluster, nothing is asked of the program that listens at localhost:8080.
if KUBECONFIG=/dev/null KUBERNETES_SERVICE_HOST='' ./deploy.sh status >"$built/said" 2>&1 || ! grep -q 'no current context' "$built/said"; then
    cat "$built/said" >&2
    exit 1
fi
echo "The manifests fit Kubernetes 1.30 and 1.37."
