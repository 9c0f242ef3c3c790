"""Inputs that were good once."""

from collections.abc import Mapping

from hypothesis import strategies as st


@st.composite
def damaged(
    draw: st.DrawFn, corpus: Mapping[str, bytes], strange: st.SearchStrategy[bytes]
) -> bytes:
    """An input with bytes changed, ``strange`` ones put in and some taken out, or two halves."""
    data = bytearray(corpus[draw(st.sampled_from(sorted(corpus)))])
    other = corpus[draw(st.sampled_from(sorted(corpus)))]
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["change", "insert", "remove", "cut", "splice"])):
            case "change":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "insert":
                data[at:at] = draw(strange)
            case "remove":
                del data[at : at + draw(st.integers(1, 8))]
            case "cut":
                del data[at:]
            case "splice":
                data[at:] = other[draw(st.integers(0, len(other))) :]
    return bytes(data)
