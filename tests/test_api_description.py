"""The description at /openapi.json holds: whatever it allows is answered as it says, whatever it forbids is refused."""

from __future__ import annotations

import hypothesis
import pytest
import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance, negative_data_rejection,
]  # fmt: skip
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.value)
def test_what_is_described_holds(served, mode):
    """Some requests to each operation, made of the description alone."""
    headers = {"Authorization": served.client.headers["authorization"]}
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json", headers=headers)
    wrong, asked = {}, 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @hypothesis.settings(
            max_examples=6,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.generate],
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def hold(case):
            nonlocal asked
            asked += 1
            case.call_and_validate(checks=CHECKS, headers=headers, timeout=60)

        try:
            hold()
        except hypothesis.errors.Unsatisfiable:
            pass  # nothing in it can be wrong
        except Exception as e:
            wrong[operation.label] = str(e)[:3000] + repr(getattr(e, "__notes__", ""))[:1500]
        except BaseExceptionGroup as e:
            wrong[operation.label] = str(e.exceptions[0])[:1500]
    assert not served.faults
    assert not wrong, "\n\n".join(f"{k}\n{v}" for k, v in wrong.items())
    assert asked > 60
