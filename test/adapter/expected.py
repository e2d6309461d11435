"""What a stream is expected to give, as the driver writes it."""
KIND = {"corrupt": 6, "unreachable": 8, "position lost": 11, "diverged": 12, "unsupported": 14, "busy": 7, "replaced": 9, "thrown out": 19}


def n(number):
    return {"n": str(number)}


def inserts(table, *keys):
    return [["insert", f"d.{table}", [n(key), "x"]] for key in keys]


def expect(error, kind, *words):
    assert error["error"] == KIND[kind], error
    text = " ".join(error[part] for part in ("text", "detail", "hint"))
    for word in words:
        assert word in text, error
