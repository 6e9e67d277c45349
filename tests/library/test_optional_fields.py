"""What the official formats do not promise: fields that may be absent, orders that may differ."""

import json

import numpy as np
import pytest
import scipy.io

from tests.library import tiny_datasets as tiny
from weaklabels import data
from weaklabels.data import crowd, cub, mulan, partial_label
from weaklabels.data.coco import read_instances
from weaklabels.data.voc import read_objects

# --- COCO ----------------------------------------------------------------------------------------


def edited(tmp_path, change):
    path = tiny.coco(tmp_path) / "annotations" / "instances_train2014.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def test_coco_labels_need_no_boxes(tmp_path):
    whole, wanted = read_instances(edited(tmp_path / "a", lambda content: None))
    names, index = read_instances(
        edited(tmp_path / "b", lambda content: content["annotations"][0].pop("bbox"))
    )
    assert names == whole
    assert index.y.tolist() == wanted.y.tolist(), "an object without a box is a label all the same"
    assert len(index.objects) == len(wanted.objects) - 1
    for item in (None, []):
        path = edited(
            tmp_path / "c", lambda content, v=item: content["annotations"][0].update(bbox=v)
        )
        assert read_instances(path)[1].y.tolist() == wanted.y.tolist()


def test_coco_without_any_box_has_no_boxes(tmp_path):
    def strip(content):
        for item in content["annotations"]:
            del item["bbox"]
        for image in content["images"]:
            del image["width"], image["height"]

    edited(tmp_path, strip)
    splits = data.load("coco2014", tmp_path, resolution=8, validation=0.0)
    assert splits.train.boxes is None
    assert splits.train.y.tolist() == [[0, 1]] * 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), r"has the box \[1, 2, 3\]"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, -3, 1]), "expected left, top, width"),
        (lambda c: c["annotations"][0].update(bbox=[1, 2, float("nan"), 1]), "has the box"),
        (lambda c: c["images"][0].pop("width"), r"in an image of 0 x 30 pixels"),
        (lambda c: c["images"].append(c["images"][0]), "image 9 is listed more than once"),
        (lambda c: c["categories"][1].update(id=1), "category 1 is listed more than once"),
        (lambda c: c["categories"][1].update(name="person"), "'person' is listed more than once"),
        (lambda c: c["images"][0].pop("file_name"), "no 'file_name' in it"),
        (lambda c: c["images"][0].update(id="nine"), "not a readable annotation file"),
        (lambda c: c.update(images=[1, 2]), "not a readable annotation file"),
        (lambda c: c["annotations"].append(1), "an annotation is no object"),
        (
            lambda c: c["annotations"][0].update(category_id=[1]),
            "expected ones that the file lists",
        ),
        (lambda c: c["annotations"][0].update(image_id={}), "expected ones that the file lists"),
    ],
)
def test_coco_entries_that_cannot_be_used_are_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        read_instances(edited(tmp_path, change))


# --- VOC, CUB, NUS-WIDE --------------------------------------------------------------------------


def test_voc_objects_without_a_box_are_passed_over(tmp_path):
    path = tiny.write(
        tmp_path / "a.xml",
        "<annotation><size><width>40</width><height>30</height></size>"
        "<object><name>dog</name></object><object><name>cat</name><bndbox><xmin>1</xmin>"
        "<ymin>1</ymin><xmax>20</xmax><ymax>15</ymax></bndbox></object></annotation>",
    )
    size, objects = read_objects(path)
    assert size == (30, 40)
    assert [item.box for item in objects] == [(0, 0, 15, 20)]
    path.write_text(path.read_text().replace("<xmax>20", "<xmax>nan"))
    with pytest.raises(ValueError, match=r"a.xml: the box of a cat is not made of finite numbers"):
        read_objects(path)


def test_voc_lists_may_end_in_blanks(tmp_path):
    kit = tiny.voc2012(tmp_path)
    path = kit / "ImageSets" / "Main" / "train.txt"
    path.write_text(path.read_text().replace("\n", "  \n"))
    assert len(data.load("voc2012", tmp_path, resolution=8, validation=0.0).train) == 10


def test_cub_files_go_by_id_not_by_line(tmp_path):
    path = tiny.write(tmp_path / "images.txt", "2 b.jpg\n1 a.jpg\n3 c.jpg\n")
    assert cub._by_id(path, "file", str).tolist() == ["a.jpg", "b.jpg", "c.jpg"]
    for text in ("1 a.jpg\n1 b.jpg\n", "2 a.jpg\n3 b.jpg\n", "x a.jpg\n"):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"images.txt: expected each of the ids 1 to"):
            cub._by_id(path, "file", str)


# --- Mulan ---------------------------------------------------------------------------------------

HEAD = "@relation r\n@attribute a numeric\n@attribute 'b, c' {'x,y',z}\n@attribute l {0,1}\n@data\n"


def arff(tmp_path, rows, head=HEAD):
    return tiny.write(tmp_path / "set.arff", head + rows)


def test_arff_values_in_quotes_may_hold_commas(tmp_path):
    x, y = mulan.read_arff(arff(tmp_path, "1.5,'x,y',0\n2,z,1\n"), ("l",))
    assert x.tolist() == [[1.5, 0], [2, 1]]
    assert y.tolist() == [[0], [1]]


def test_sparse_arff_leaves_out_the_first_nominal_value(tmp_path):
    head = HEAD.replace("{0,1}", "{1,0}").replace("{'x,y',z}", "{2,5}")
    x, y = mulan.read_arff(arff(tmp_path, "{0 3}\n{1 5, 2 0}\n{}\n", head), ("l",))
    assert x.tolist() == [[3, 2], [0, 5], [0, 2]]
    assert y.tolist() == [[1], [0], [1]]


@pytest.mark.parametrize(
    "row", ["?,z,1", "nan,z,1", "inf,z,1", "{-1 1}", "{0 1, 0 2}", "{7 1}", "1,z", "1,w,1"]
)
def test_arff_rows_that_hold_no_numbers_are_named(tmp_path, row):
    with pytest.raises(ValueError, match=r"set.arff: line 6 cannot be read"):
        mulan.read_arff(arff(tmp_path, row + "\n"), ("l",))


def test_arff_attributes_have_names_of_their_own(tmp_path):
    with pytest.raises(ValueError, match="attribute 'a' is declared more than once"):
        mulan.read_arff(
            arff(tmp_path, "1,1,1\n", HEAD.replace("'b, c' {'x,y',z}", "a numeric")), ()
        )


def test_mulan_labels_with_and_without_a_namespace(tmp_path):
    path = tiny.write(tmp_path / "a.xml", "<labels><label name='a'/><label name='b'/></labels>")
    assert mulan.read_labels(path) == ("a", "b")
    for text in ("<labels/>", "<labels><label/></labels>",
                 "<labels><label name='a'/><label name='a'/></labels>"):  # fmt: skip
        path.write_text(text)
        with pytest.raises(ValueError, match="labels, each with a name of its own"):
            mulan.read_labels(path)


# --- features and answers ------------------------------------------------------------------------


def test_features_that_are_not_finite_are_named(tmp_path):
    truth = np.eye(2)[:, [0, 1, 0]]
    x = np.array([[1.0, 2], [3, np.nan], [5, 6]])
    path = tmp_path / "lost.mat"
    scipy.io.savemat(path, {"data": x, "target": truth, "partial_target": np.ones((2, 3))})
    with pytest.raises(ValueError, match=r"lost.mat: row 1 of data holds a value that is not fin"):
        partial_label.read_mat(path, "partial_target")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("answer.csv", "question,worker,answer\nq1,w1,0.5\n", "not a whole number from 0"),
        ("answer.csv", "question,worker,answer\nq1,,0\n", "a task or a worker has no name"),
        ("truth.csv", "question,truth\nq1,0\nq1,1\n", "task q1 is listed more than once"),
    ],
)
def test_crowd_tables_with_a_fault_are_refused(tmp_path, name, text, message):
    tiny.write(tmp_path / "answer.csv", "question,worker,answer\nq1,w1,0\n")
    tiny.write(tmp_path / "truth.csv", "question,truth\nq1,0\n")
    tiny.write(tmp_path / name, text)
    with pytest.raises(ValueError, match=message):
        crowd.read_answers(tmp_path)


def test_a_worker_may_be_called_na(tmp_path):
    tiny.write(tmp_path / "answer.csv", "question,worker,answer\nnull,NA,1\nnull,w,0\n")
    tiny.write(tmp_path / "truth.csv", "question,truth\nnull,1\n")
    assert crowd.read_answers(tmp_path)[0].tolist() == [[1, 0]]
