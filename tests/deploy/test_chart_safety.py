"""What the chart promises of its pods, whatever values it is given."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.deploy.test_chart import WAYS
from tests.support.helm import Manifest, environment, of_kind, pod_of, render, sets

from tertulia.bootstrap.serve import CONNECTION_GRACE
from tertulia.settings import Settings

SECRETS = {
    f"TERTULIA_{name}"
    for name in (
        "STORE",
        "QUEUE",
        "EVENTLOG",
        "CACHE",
        "KEYS",
        "SECRET",
        "MASTER_KEY",
        "METRICS_TOKEN",
    )
}


def pods(*flags: object) -> Iterator[tuple[Manifest, Manifest, Manifest]]:
    """Manifest, pod and container, of all that run."""
    for manifest in render(*map(str, flags)):
        pod = pod_of(manifest)
        if pod is not None:
            assert len(pod["containers"]) == 1
            assert "initContainers" not in pod
            yield manifest, pod, pod["containers"][0]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_runs_as_root_or_may_write_or_holds_a_token(way: str) -> None:
    seen = 0
    for manifest, pod, container in pods(*WAYS[way]):
        seen += 1
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        accounts = of_kind(render(*map(str, WAYS[way])), "ServiceAccount")
        named = {one["metadata"]["name"]: one for one in accounts}
        assert named[pod["serviceAccountName"]]["automountServiceAccountToken"] is False
        assert "memory" in container["resources"]["limits"], manifest["metadata"]["name"]
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert seen >= 2


@pytest.mark.parametrize("way", WAYS)
def test_secrets_are_only_referred_to(way: str) -> None:
    manifests = render(*WAYS[way])
    assert of_kind(manifests, "Secret") == []
    for _, _, container in pods(*WAYS[way]):
        if container["name"] == "vllm":
            continue
        referred = {
            one["name"] for one in container["env"] if "secretKeyRef" in one.get("valueFrom", {})
        }
        assert referred >= SECRETS
        plain = environment(container)
        assert not {name for name in plain if name in SECRETS or name.endswith("_API_KEY")}
        assert "://" not in "".join(v for n, v in plain.items() if not n.endswith("BASE_URL"))


@pytest.mark.parametrize("way", WAYS)
def test_no_node_of_ours_has_a_volume_that_lasts(way: str) -> None:
    manifests = render(*WAYS[way])
    assert of_kind(manifests, "PersistentVolumeClaim") == []
    for _, pod, container in pods(*WAYS[way]):
        if container["name"] != "vllm":
            assert all(set(volume) == {"name", "emptyDir"} for volume in pod["volumes"])
        where = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
        assert set(where) == {volume["name"] for volume in pod["volumes"]}
        assert where["tmp"] == "/tmp"


@pytest.mark.parametrize("way", WAYS)
def test_probes_and_time_to_end(way: str) -> None:
    for manifest, pod, container in pods(*WAYS[way]):
        if manifest["kind"] == "Job":
            continue
        if container["name"] != "vllm":
            paths = {
                kind: container[f"{kind}Probe"]["httpGet"]["path"]
                for kind in ("startup", "liveness", "readiness")
            }
            assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
            grace = int(environment(container)["TERTULIA_TURNS__GRACE_SECONDS"])
            before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert pod["terminationGracePeriodSeconds"] > before + grace + CONNECTION_GRACE
        ports = {one["name"] for one in container["ports"]}
        assert container["readinessProbe"]["httpGet"]["port"] in ports


def test_numbers_and_lists_of_settings_arrive_as_they_are_written() -> None:
    flags = sets(
        'settings={"limits": {"body_bytes": 9437184}, "turns": {"lease_seconds": 2.5}, '
        '"auth": true, "models": {"scripted": true}}',
        'allowedHosts=["a.example", "b.example"]',
    )
    api = next(container for _, _, container in pods(*flags) if container["name"] == "api")
    told = environment(api)
    assert told["TERTULIA_LIMITS__BODY_BYTES"] == "9437184"
    assert told["TERTULIA_TURNS__LEASE_SECONDS"] == "2.5"
    assert told["TERTULIA_AUTH"] == "true"
    assert told["TERTULIA_MODELS__SCRIPTED"] == "true"
    assert told["TERTULIA_ALLOWED_HOSTS"].startswith("a.example,b.example,")


def test_the_ingress_speaks_for_names_that_the_api_answers_to() -> None:
    for example in ("values-aws", "values-nginx"):
        manifests = render(*WAYS[example])
        hosts = [rule["host"] for rule in of_kind(manifests, "Ingress")[0]["spec"]["rules"]]
        api = pod_of(of_kind(manifests, "Deployment", "api")[0])
        assert api is not None
        allowed = environment(api["containers"][0])["TERTULIA_ALLOWED_HOSTS"].split(",")
        assert set(hosts) <= set(allowed)


def test_migration_comes_before_all_else_with_all_that_it_needs() -> None:
    hooks = [
        (int(one["metadata"]["annotations"]["helm.sh/hook-weight"]), one["kind"])
        for one in render()
        if "helm.sh/hook" in one["metadata"].get("annotations", {})
    ]
    assert sorted(hooks) == [(-10, "NetworkPolicy"), (-10, "ServiceAccount"), (0, "Job")]
    job = of_kind(render(), "Job")[0]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = pod_of(job)
    assert pod is not None
    assert pod["containers"][0]["args"] == ["migrate"]


def test_what_scales_names_what_is_there_and_nothing_else_counts_replicas() -> None:
    manifests = render(*WAYS["values-scaling"])
    deployments = {one["metadata"]["name"]: one for one in of_kind(manifests, "Deployment")}
    hpa = of_kind(manifests, "HorizontalPodAutoscaler")[0]["spec"]
    keda = of_kind(manifests, "ScaledObject")[0]["spec"]
    for target in (hpa["scaleTargetRef"]["name"], keda["scaleTargetRef"]["name"]):
        assert "replicas" not in deployments[target]["spec"]
    assert hpa["metrics"][0]["pods"]["metric"]["name"] == "tertulia_connections"
    assert keda["triggers"][0]["authenticationRef"]["name"] in {
        one["metadata"]["name"] for one in of_kind(manifests, "TriggerAuthentication")
    }


def test_every_pod_is_held_by_a_policy_and_workers_by_one_that_lets_little_in() -> None:
    manifests = render(*WAYS["values-vllm"])
    held = {
        json.dumps(one["spec"]["podSelector"]["matchLabels"], sort_keys=True): one["spec"]
        for one in of_kind(manifests, "NetworkPolicy")
    }
    for manifest in manifests:
        if pod_of(manifest) is None:
            continue
        labels = manifest["spec"]["template"]["metadata"]["labels"]
        ours = [
            spec
            for selector, spec in held.items()
            if json.loads(selector).items() <= labels.items()
        ]
        assert len(ours) == 1
        assert ours[0]["policyTypes"] == ["Ingress", "Egress"]
        if manifest["kind"] == "Job":
            assert "ingress" not in ours[0]
    blocks = json.dumps([spec["egress"] for spec in held.values()])
    assert "169.254.0.0/16" in blocks


def test_the_model_server_of_the_example_is_the_one_that_workers_are_told_of() -> None:
    manifests = render(*WAYS["values-vllm"])
    service = of_kind(manifests, "Service", "vllm")[0]
    worker = pod_of(of_kind(manifests, "Deployment", "worker")[0])
    vllm = pod_of(of_kind(manifests, "Deployment", "vllm")[0])
    assert worker is not None
    assert vllm is not None
    told = environment(worker["containers"][0])
    port = service["spec"]["ports"][0]["port"]
    url = f"http://{service['metadata']['name']}:{port}/v1"
    assert told["TERTULIA_MODELS__SERVERS__0__BASE_URL"] == url
    assert vllm["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert vllm["nodeSelector"] == {"nvidia.com/gpu.present": "true"}


def test_metrics_are_read_with_the_token_that_pods_ask_for() -> None:
    manifests = render(*WAYS["values-scaling"])
    endpoint = of_kind(manifests, "ServiceMonitor")[0]["spec"]["endpoints"][0]
    services = of_kind(manifests, "Service")
    assert {one["metadata"]["name"] for one in services} >= {
        "chat-tertulia-api",
        "chat-tertulia-worker",
    }
    for part in ("api", "worker"):
        pod = pod_of(of_kind(manifests, "Deployment", part)[0])
        assert pod is not None
        asked = next(
            one["valueFrom"]["secretKeyRef"]
            for one in pod["containers"][0]["env"]
            if one["name"] == "TERTULIA_METRICS_TOKEN"
        )
        # Without the token a node starts all the same, and lets nobody read.
        assert asked.pop("optional") is True
        assert endpoint["authorization"]["credentials"] == asked


def test_balancers_hold_streams_open_and_stick_to_nobody() -> None:
    """Nor does the Service itself."""
    annotations = {
        example: of_kind(render(*WAYS[example]), "Ingress")[0]["metadata"]["annotations"]
        for example in ("values-aws", "values-nginx")
    }
    alb = {k.partition("/")[2]: v for k, v in annotations["values-aws"].items() if "alb" in k}
    assert alb["load-balancer-attributes"] == "idle_timeout.timeout_seconds=4000"
    assert "stickiness.enabled=false" in alb["target-group-attributes"].split(",")
    assert (alb["target-type"], alb["healthcheck-path"]) == ("ip", "/readyz")
    nginx = {k.partition("/")[2]: v for k, v in annotations["values-nginx"].items()}
    assert (nginx["proxy-buffering"], nginx["proxy-request-buffering"]) == ("off", "off")
    assert int(nginx["proxy-read-timeout"]) > Settings().turns.running_seconds
    assert "affinity" not in nginx
    for service in of_kind(render(), "Service"):
        assert service["spec"]["sessionAffinity"] == "None"
