"""The checks of the document with ``machine`` and ``cluster``, each with the releases that have it."""

from __future__ import annotations

from typing import Any, Final

from bootgrant.machines.talos.validation.legacy import cluster, install, interfaces, machine
from bootgrant.machines.talos.validation.report import Report
from bootgrant.machines.talos.validation.rules import Rule, run

RULES: Final = (
    Rule(machine.deprecated_sections, since="1.14"),
    Rule(cluster.check_cluster),
    Rule(install.is_required, until="1.14"),
    Rule(install.disk),
    Rule(install.kernel_arguments, since="1.12"),
    Rule(install.extensions),
    Rule(machine.host_dns, since="1.13"),
    Rule(machine.machine_type),
    Rule(machine.authorities),
    Rule(cluster.network_plugin),
    Rule(interfaces.virtual_addresses),
    Rule(interfaces.interfaces),
    Rule(machine.kubespan),
    Rule(machine.kubespan_networks, since="1.12"),
    Rule(cluster.discovery_for_kubespan, until="1.14"),
    Rule(machine.disks),
    Rule(machine.kubelet),
    Rule(machine.disk_encryption),
    Rule(machine.logging),
    Rule(machine.node_words),
    Rule(machine.api_access),
    Rule(machine.api_access_needs_rbac, until="1.12"),
    Rule(machine.address_order),
    Rule(machine.persist),
    Rule(machine.runtime_spec),
    Rule(machine.registries),
)


def check_legacy(value: dict[str, Any], report: Report) -> None:
    """Check the whole document. Without ``machine`` Talos looks at nothing else."""
    if "machine" not in value:
        report.refuse("machine", "is missing: add machine.type (controlplane or worker), machine.ca and the rest")
        return
    run(RULES, value, report)
