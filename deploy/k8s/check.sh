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
echo "The manifests are valid for Kubernetes 1.30 and 1.37."
