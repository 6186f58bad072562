from prunebench.records.latency import Latency

OLD = {
    "key": "k",
    "machine": "m",
    "backend": "eager",
    "batch": 64,
    "threads": 1,
    "dense_seconds": 0.02,
    "pruned_seconds": 0.01,
    "ratios": [2.0, 2.0],
    "speedup": 2.0,
    "low": 2.0,
    "high": 2.0,
}


def test_a_latency_of_an_older_file_lacks_what_is_optional() -> None:
    found = Latency.model_validate(OLD)
    new = {name for name, value in found if value is None}
    assert new == {"core_share", "dense_joules", "pruned_joules", "dense_call_bytes", "pruned_call_bytes"}
    filled = found.model_copy(update={"core_share": 0.43, "dense_joules": 0.5, "dense_call_bytes": 7})
    assert Latency.model_validate_json(filled.model_dump_json()) == filled
