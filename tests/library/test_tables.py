"""Tables of labels: what spreadsheets and pandas write, against a plain reading of it."""

import gzip
import io
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from weaklabels import read_table
from weaklabels.estimator import read_answers, read_labels
from weaklabels.estimator import tables as module

CLASSES = ("cat", "dog", "bird")


@pytest.fixture
def pixels():
    """Asked for by the tests that look at the images, which are not decoded for the others."""


@pytest.fixture(autouse=True)
def small(request, monkeypatch):
    if "pixels" not in request.fixturenames:
        monkeypatch.setattr(module, "images", lambda paths, *_: torch.zeros(len(paths), 3, 1, 1))


@pytest.fixture
def folder(tmp_path):
    for i in range(4):
        Image.new("L", (8, 8), 80 * i).save(tmp_path / f"{i}.png")
    return tmp_path


def write(folder, text, **how):
    path = folder / "labels.csv"
    path.write_bytes(text.encode(**how))
    return path


def read(folder, text, **options):
    return read_table(write(folder, text), folder, **options)


def test_a_table_is_read_as_it_says(folder, pixels):
    data = read(folder, "file,cat,dog,bird\n2.png,1,0,\n0.png,,,1\n3.png, 0 ,,\n", side=16)
    assert data.classes == CLASSES
    assert data.files == ("2.png", "0.png", "3.png")
    assert data.observed.dtype == torch.int8
    assert data.observed.tolist() == [[1, -1, 0], [0, 0, 1], [-1, 0, 0]]
    assert (data.x.shape, data.x.dtype) == ((3, 3, 16, 16), torch.uint8)
    assert data.x[:, 0, 0, 0].tolist() == [160, 0, 240]
    other = read(folder, "file,cat\n0.png,1\n2.png,0\n", side=16)
    assert other.x[:, 0, 0, 0].tolist() == [0, 160]


SPELLINGS = {
    1: ["1", "1.0", "1.", " 1 ", "True", "TRUE", "true", "+1", "01"],
    -1: ["0", "0.0", "False", "false", " 0", "-0.0"],
    0: ["", " ", "NaN", "nan", "NA", "<NA>", "None", "null", "n/a"],
}
names = st.text("abcäß é'0123456789-", min_size=1, max_size=6).map(str.strip).filter(bool)


@given(
    st.lists(names, min_size=1, max_size=4, unique=True),
    st.data(),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@settings(max_examples=60, deadline=None)
def test_every_spelling_is_read_as_it_is_meant(tmp_path_factory, classes, data, sep, end, code):
    folder = tmp_path_factory.mktemp("t")
    wanted = data.draw(
        st.lists(st.tuples(*[st.sampled_from((1, 0, -1))] * len(classes)), min_size=1, max_size=4)
    )
    lines = [sep.join(["file", *classes])]
    for i, row in enumerate(wanted):
        (folder / f"{i}.png").touch()
        lines.append(
            sep.join([f"{i}.png", *(data.draw(st.sampled_from(SPELLINGS[v])) for v in row)])
        )
        lines += data.draw(st.lists(st.just(""), max_size=1))
    path = folder / "labels.csv"
    path.write_bytes((end.join(lines) + end).encode(code))
    found = read_table(path, folder, separator=sep if len(classes) > 1 else None)
    assert found.classes == tuple(classes)
    assert found.observed.tolist() == [list(row) for row in wanted]


@given(st.data(), st.booleans(), st.sampled_from([",", ";"]), st.sampled_from(["float", "bool"]))
@settings(max_examples=40, deadline=None)
def test_what_pandas_writes_is_read_back(tmp_path_factory, data, index, sep, kind):
    folder = tmp_path_factory.mktemp("t")
    values = data.draw(
        st.lists(st.tuples(*[st.sampled_from((1, 0, -1))] * 3), min_size=1, max_size=4)
    )
    if kind == "bool":
        values = [tuple(v or 1 for v in row) for row in values]
    frame = pd.DataFrame(values, columns=CLASSES)
    frame = frame == 1 if kind == "bool" else frame.replace({-1: 0.0, 1: 1.0, 0: np.nan})
    frame.insert(0, "file", [f"{i}.png" for i in range(len(frame))])
    for name in frame.file:
        (folder / name).touch()
    frame.to_csv(folder / "labels.csv", index=index, sep=sep)
    found = read_table(folder / "labels.csv", folder)
    assert found.classes == CLASSES
    assert found.observed.tolist() == [list(row) for row in values]
    frame.set_index("file").rename_axis(None).to_csv(folder / "labels.csv", sep=sep)
    again = read_table(folder / "labels.csv", folder)
    assert again.observed.tolist() == found.observed.tolist(), "files as a nameless index"


def test_numbers_of_rows_may_be_repeated_and_saved_twice(folder):
    text = ",Unnamed: 0,file,cat\n0,0,0.png,1\n1,1,1.png,0\n0,0,2.png,\n"
    data = read(folder, text)
    assert (data.classes, data.observed.flatten().tolist()) == (("cat",), [1, -1, 0])


def test_a_name_that_pandas_made_of_a_doubled_one_is_asked_about(folder):
    with pytest.warns(UserWarning, match="'cat.1' is how pandas renames .* are these two classes"):
        assert read(folder, "file,cat,cat.1\n0.png,1,0\n").classes == ("cat", "cat.1")


@given(st.permutations(CLASSES), st.permutations(CLASSES))
@settings(max_examples=20, deadline=None)
def test_columns_come_in_the_order_that_is_wanted(tmp_path_factory, there, wanted):
    folder = tmp_path_factory.mktemp("t")
    (folder / "0.png").touch()
    said = {"cat": 1, "dog": 0, "bird": ""}
    cells = ",".join(str(said[name]) for name in there)
    path = write(folder, f"file,{','.join(there)}\n0.png,{cells}\n")
    data = read_table(path, folder, classes=wanted)
    assert data.classes == tuple(wanted)
    assert data.observed.tolist() == [[{1: 1, 0: -1, "": 0}[said[name]] for name in wanted]]


def test_classes_of_another_table_are_refused(folder):
    for classes, message in (
        (("cat", "dog"), "row 1: there is no column 'dog'"),
        (("dog",), "class 'cat' is none of dog"),
        (("cat", "cat"), "expected names that differ"),
    ):
        with pytest.raises(ValueError, match=message):
            read(folder, "file,cat\n0.png,1\n", classes=classes)
    with pytest.raises(ValueError, match="separator is ', ': expected one character"):
        read(folder, "file,cat\n0.png,1\n", separator=", ")
    with pytest.raises(TypeError, match="table is a DataFrame: expected the path of a file"):
        read_table(pd.DataFrame({"file": ["0.png"], "cat": [1]}), folder)


def test_quoted_cells_and_decimal_commas(folder):
    data = read(folder, '"file";"cat; tame";dog\n"0.png";"1,0";0,0\n')
    assert data.classes == ("cat; tame", "dog")
    assert data.observed.tolist() == [[1, -1]]


def test_files_are_found_as_they_are_meant(folder):
    (folder / "sub").mkdir()
    for name in ("sub/a.png", "b .png", "e\u0301.png"):
        (folder / name).touch()
    data = read(folder, "file,cat\n0.png ,1\nsub\\a.png,0\n b .png,1\n\u00e9.png,0\n")
    assert data.observed.flatten().tolist() == [1, -1, 1, -1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "labels.csv: it is empty"),
        ("file,cat\n", "expected a row for each image"),
        ("file\n0.png\n", "a column for each class"),
        ("file,cat\n0.png,yes\n", r"row 2, class cat: 'yes', expected 1 \(present\), 0 \(absent\)"),
        ("file,cat\n0.png,-1\n", "row 2, class cat: '-1'"),
        ("file,cat\n0.png,0.5\n", "row 2, class cat: '0.5'"),
        ("file,cat\n0.png,2\n", "row 2, class cat: '2'"),
        ("file,cat,dog\n0.png,1\n", "row 2: 2 cells, expected 3 as in row 1"),
        ("file,cat\n\n0.png,1,0\n", "row 3: 3 cells, expected 2"),
        ("file,cat,cat\n0.png,1,0\n", "row 1: columns 2 and 3 are both called 'cat'"),
        ("file,cat, cat \n0.png,1,0\n", "columns 2 and 3 are both called 'cat'"),
        ("file,cat,\n0.png,1,0\n", "row 1: column 3 has no name"),
        ("file,cat,Unnamed: 2\n0.png,1,\n", "row 1: column 3 has no name"),
        ("cat,file\n1,0.png\n", "row 2, class file: '0.png', an image: .* in the first column"),
        ("0.png,1,0\n1.png,0,1\n", "row 1 holds '0.png', an image: expected the names"),
        ("lost.JPG,1,0\n1.png,0,1\n", "row 1 holds 'lost.JPG', an image"),
        (",0.png,1,0\n1,1.png,0,1\n", "row 1 holds '0.png', an image"),
        ("file,cat\n0.png,1\n0.png,0\n", "rows 2 and 3 name the same file, 0.png"),
        ("file,cat\n0.png,1\n./0.png,0\n", "rows 2 and 3 name the same file"),
        ("file,cat;dog\n0.png,1\n", "row 1 holds ',' and ';': say which separates"),
        ('file,cat\n0.png,"1\n', "row 2: unexpected end of data"),
    ],
)
def test_a_table_with_a_fault_is_refused(folder, text, message):
    with pytest.raises(ValueError, match=message):
        read(folder, text)
    assert not (folder / ".weaklabels").exists()


def test_missing_files_are_named(folder):
    with pytest.raises(FileNotFoundError, match=r"row 3: '9.png', but there is no such file in"):
        read(folder, "file,cat\n0.png,1\n9.png,0\n")
    with pytest.raises(FileNotFoundError, match="there is no such table"):
        read_table(folder / "other.csv", folder)


def test_other_encodings_are_named_and_read(folder):
    path = write(folder, "file,Bär\n0.png,1\n", encoding="cp1252")
    with pytest.raises(ValueError, match="row 1: the text is not utf-8-sig: name its encoding"):
        read_table(path, folder)
    assert read_table(path, folder, encoding="cp1252").classes == ("Bär",)
    path = write(folder, "file,cat\n0.png,1\n", encoding="utf-16-le")
    with pytest.raises(ValueError, match="name its encoding"):
        read_table(path, folder)


def test_separators_inside_names_are_asked_about(folder):
    assert read(folder, "file,cat;dog\n0.png,1\n", separator=",").classes == ("cat;dog",)


# --- single labels, answers ----------------------------------------------------------------------


def test_labels_are_names(folder):
    data = read_labels(write(folder, ",file,label\n0,0.png,dog\n1,2.png, cat \n"), folder)
    assert data.classes == ("cat", "dog")
    assert data.observed.tolist() == [1, 0]
    assert data.files == ("0.png", "2.png")
    same = read_labels(write(folder, "file,label\n0.png,dog\n"), folder, classes=CLASSES)
    assert (same.classes, same.observed.tolist()) == (CLASSES, [1]), "not 0, its place here"
    with pytest.raises(ValueError, match="class 'cow' is none of cat, dog, bird"):
        read_labels(write(folder, "file,label\n0.png,cow\n"), folder, classes=CLASSES)
    for text, message in (
        ("file,label\n0.png,\n", "row 2: label is '', a gap"),
        ("file,label\n0.png,nan\n", "row 2: label is 'nan', a gap"),
        ("file,cat,dog\n0.png,1,0\n", "3 columns, expected two"),
        ("0.png,dog\n1.png,cat\n", "row 1 holds '0.png', an image"),
    ):
        with pytest.raises(ValueError, match=message):
            read_labels(write(folder, text), folder)


def test_classes_that_are_whole_numbers_come_by_their_value(folder, tmp_path):
    text = "file,label\n0.png,10\n1.png,2\n2.png,1\n3.png,2.0\n"
    data = read_labels(write(folder, text), folder)
    assert (data.classes, data.observed.tolist()) == (("1", "2", "10"), [2, 1, 0, 1])
    rows = "".join(f"{i},{w},{i % 12}\n" for i in range(24) for w in "ab")
    answers = read_answers(write(tmp_path, f"task,worker,label\n{rows}"))
    assert answers.classes == tuple(map(str, range(12)))
    assert answers.observed.tolist() == [[i % 12] * 2 for i in range(24)]
    text = text.replace("10", "ten")
    assert read_labels(write(folder, text), folder).classes == ("1", "2", "ten")


@pytest.mark.parametrize("word", ["NA", "None", "null", "n/a", "<NA>"])
def test_words_for_a_gap_are_no_classes_unless_they_are_named(folder, word):
    labels = f"file,label\n0.png,cat\n1.png,{word}\n"
    answers = f"task,worker,label\n{word},{word},cat\nb,c,{word}\n"
    for read, text in ((read_labels, labels), (read_answers, answers)):
        path = write(folder, text)
        options = {"folder": folder} if read is read_labels else {}
        with pytest.raises(ValueError, match=f"row 3: label is '{word}', a gap: leave such rows"):
            read(path, **options)
        assert read(path, classes=[word, "cat"], **options).classes == (word, "cat")


@pytest.mark.parametrize("spelling", ["-1", "-1.0", " -1 "])
def test_minus_one_is_no_class_unless_it_is_named(folder, spelling):
    labels = f"file,label\n0.png,0\n1.png,{spelling}\n2.png,1\n"
    answers = f"task,worker,label\na,v,0\na,w,{spelling}\nb,v,1\n"
    for read, text in ((read_labels, labels), (read_answers, answers)):
        path = write(folder, text)
        options = {"folder": folder} if read is read_labels else {}
        message = "row 3: label is '-1', which stands for no label: leave such rows out, or name it"
        with pytest.raises(ValueError, match=message):
            read(path, **options)
        for classes in (["-1", "0", "1"], [-1, 0, 1]):
            data = read(path, classes=classes, **options)
            assert data.classes == ("-1", "0", "1")
            assert data.observed.tolist() == ([1, 0, 2] if options else [[1, 0], [2, -1]])


@pytest.mark.parametrize("name", ["cat;dog", "dog | cat", "cat,dog,owl"])
def test_a_cell_with_several_labels_is_asked_about(folder, name):
    labels = f'file,label\n0.png,dog\n1.png,"{name}"\n2.png,cat\n3.png,owl\n'
    answers = f'task,worker,label\na,v,dog\na,w,"{name}"\nb,v,cat\nb,w,owl\n'
    for read, text in ((read_labels, labels), (read_answers, answers)):
        path = write(folder, text)
        options = {"separator": ","} | ({"folder": folder} if read is read_labels else {})
        mark = next(mark for mark in ";|," if mark in name)
        message = f"{path}: the class {name!r} lists other classes: if rows have several labels, "
        message += (
            f"give them a column for each class, such as frame.labels.str.get_dummies({mark!r})"
        )
        with pytest.warns(UserWarning, match=f"^{re.escape(message)}$") as said:
            assert name in read(path, **options).classes
        assert [each.filename for each in said] == [__file__]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read(path, classes=["cat", "dog", "owl", name], **options)


def test_accents_that_are_written_in_two_ways_make_one_class(folder):
    one, other = "caf\u00e9", "cafe\u0301"
    path = write(folder, f"file,label\n0.png,{one}\n1.png,{other}\n2.png,cat\n")
    data = read_labels(path, folder)
    assert (data.classes, data.observed.tolist()) == (("caf\u00e9", "cat"), [0, 0, 1])
    data = read_labels(path, folder, classes=[other, "cat"])
    assert (data.classes, data.observed.tolist()) == (("caf\u00e9", "cat"), [0, 0, 1])
    assert read(folder, f"file,{other}\n0.png,1\n", classes=[one]).classes == (one,)
    with pytest.raises(ValueError, match="columns 2 and 3 are both called"):
        read(folder, f"file,{one},{other}\n0.png,1,0\n")
    answers = read_answers(write(folder, f"task,worker,label\n0,{one},{one}\n1,{other},{other}\n"))
    assert (answers.classes, answers.workers) == ((one,), (one,))


@pytest.mark.parametrize("classes", [[2, 1], np.array([2, 1]), pd.Index(["2", "1"])])
def test_classes_that_are_wanted_may_be_numbers_in_any_list(folder, classes):
    data = read(folder, "file,1,2\n0.png,1,0\n", classes=classes)
    assert (data.classes, data.observed.tolist()) == (("2", "1"), [[-1, 1]])
    with pytest.raises(ValueError, match="class '3' is none of 2, 1"):
        read(folder, "file,1,3\n0.png,1,0\n", classes=classes)
    with pytest.raises(ValueError, match="classes is 'cat': expected a list of names"):
        read(folder, "file,cat\n0.png,1\n", classes="cat")


@pytest.mark.parametrize("side", ["16", 16.5, True, 0])
def test_a_side_is_a_whole_number_of_pixels(folder, pixels, side):
    with pytest.raises(ValueError, match=f"side is {side!r}: expected the pixels of the images'"):
        read(folder, "file,cat\n0.png,1\n", side=side)


def test_what_is_packed_is_no_table(folder):
    path = folder / "labels.csv"
    for content in (gzip.compress(b"file,cat\n0.png,1\n"), b"PK\x03\x04 and more"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="it is compressed, or a spreadsheet: expected a text"):
            read_table(path, folder)


def test_one_number_in_two_spellings_is_one_class(folder):
    text = "file,label\n0.png,1\n1.png,1.0\n2.png,0.0\n3.png,1.\n"
    data = read_labels(write(folder, text), folder)
    assert (data.classes, data.observed.tolist()) == (("0", "1"), [1, 1, 0, 1])
    same = read_labels(write(folder, text), folder, classes=(2, "1.0", "0"))
    assert (same.classes, same.observed.tolist()) == (("2", "1", "0"), [1, 1, 2, 1])
    with pytest.raises(ValueError, match="expected names that differ"):
        read_labels(write(folder, text), folder, classes=("1", "1.0", "0"))
    text = "task,worker,label\n7,3,1.0\n7.0,4.0,1\n8,3.0,2\n"
    answers = read_answers(write(folder, text))
    assert (answers.files, answers.workers, answers.classes) == (("7", "8"), ("3", "4"), ("1", "2"))
    assert answers.observed.tolist() == [[0, 0], [1, -1]]
    with pytest.raises(ValueError, match="row 3: 3 answers 7 a second time"):
        read_answers(write(folder, "task,worker,label\n7,3,1\n7.0,3,2\n"))
    kept = read_labels(write(folder, "file,label\n0.png,v1.0\n1.png,007\n2.png,1.50\n"), folder)
    assert kept.classes == ("007", "1.50", "v1.0")


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_answers_are_those_of_the_rows(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("t")
    pairs = st.tuples(st.sampled_from("abc"), st.sampled_from(["NA", "w1", "w2"]))
    said = data.draw(st.dictionaries(pairs, st.sampled_from(["yes", "no", "None"]), min_size=1))
    gap = "None" in said.values()  # unless it is said to be a class
    order = data.draw(st.permutations(["task", "worker", "label"]))
    rows = [{"task": t, "worker": w, "label": v} for (t, w), v in said.items()]
    file = io.StringIO()
    pd.DataFrame(rows)[order].to_csv(file, index=data.draw(st.booleans()))
    path = write(folder, file.getvalue())
    if gap:
        with pytest.raises(
            ValueError, match=r"row \d: label is 'None', a gap: leave such rows out, or"
        ):
            read_answers(path)
    found = read_answers(path, classes=["None", "no", "yes"] if gap else None)
    assert found.x is None
    if data.draw(st.booleans()):
        found = read_answers(path, classes=["no", "maybe", "yes", "None"])
    for i, task in enumerate(found.files):
        for r, worker in enumerate(found.workers):
            value = int(found.observed[i, r])
            wanted = said.get((task, worker))
            assert (found.classes[value] if value >= 0 else None) == wanted
    assert set(found.files) == {t for t, _ in said}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task,worker\na,b\n", "columns task, worker, expected task, worker and label"),
        ("task,worker,label\na,b,x\na,b,y\n", "row 3: b answers a a second time"),
        ("task,worker,label\na,,x\n", "row 2: worker is '', a gap"),
    ],
)
def test_answers_with_a_fault_are_refused(folder, text, message):
    with pytest.raises(ValueError, match=message):
        read_answers(write(folder, text))


def test_tasks_may_be_images(folder, pixels):
    table = write(folder, "task,worker,label\n2.png,a,x\n0.png,a,y\n2.png,b,y\n")
    data = read_answers(table, folder, side=8)
    assert data.x[:, 0, 0, 0].tolist() == [160, 0]
    assert data.observed.tolist() == [[0, 1], [1, -1]]
