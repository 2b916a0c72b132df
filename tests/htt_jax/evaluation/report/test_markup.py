from htt_jax.evaluation.report.markup import Html, element, join


def test_texts_are_escaped_once_and_elements_never():
    inner = element("b", "x < y", title='say "hi"')
    assert inner == '<b title="say &quot;hi&quot;">x &lt; y</b>'
    assert element("p", [inner, " & ", [Html("<i>z</i>")]], class_="note", id=None) == (
        f'<p class="note">{inner} &amp; <i>z</i></p>'
    )


def test_empty_elements_have_no_end():
    assert join([element("br"), element("meta", charset="utf-8")]) == '<br><meta charset="utf-8">'
