import zipfile
from pathlib import Path

import pytest

from scones_operator.datasets import ham10000
from scones_operator.datasets.ham10000 import CLASSES, stage
from scones_operator.errors import PreconditionError
from scones_operator.progress import ItemProgress, ignore_progress
from tests.unit.operator.datasets.archives import jpeg, zipped

HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization,dataset"

# Lesions of two photos each, one of them in each part.
PHOTOS = {
    f"ISIC_{number:07}": (f"HAM_{number // 2:07}", CLASSES[number // 2 % 7])
    for number in range(140)
}


def table(photos: dict[str, tuple[str, str]] = PHOTOS) -> str:
    rows = (
        f"{lesion},{photo},{dx},histo,80.0,male,scalp,x" for photo, (lesion, dx) in photos.items()
    )
    return "\n".join([HEADER, *rows]) + "\n"


def part(remainder: int) -> dict[str, bytes]:
    names = [name for name in PHOTOS if int(name[-1]) % 2 == remainder]
    return {f"{name}.jpg": jpeg((int(name[-3:]), 0, 0)) for name in names}


def files(compression: int = zipfile.ZIP_DEFLATED, **others: bytes) -> dict[str, bytes]:
    return {
        "HAM10000_images_part_1.zip": zipped(part(0), compression),
        "HAM10000_images_part_2.zip": zipped(part(1), compression),
        "HAM10000_metadata.csv": table().encode(),
        "HAM10000_segmentations_lesion_tschandl.zip": zipped({"x/ISIC_0000001.jpg": b"mask"}),
        "ISIC2018_Task3_Test_Images.zip": zipped({"ISIC_0000002.jpg": b"of the test"}),
        "MANIFEST.TXT": b"...",
        **{
            name.replace("_zip", ".zip").replace("_csv", ".csv"): data
            for name, data in others.items()
        },
    }


def archive(folder: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    path = folder / "dataverse_files.zip"
    path.write_bytes(zipped(members, compression))
    return path


def staged_photos(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in folder.rglob("*.jpg")}


@pytest.mark.parametrize("inner", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
@pytest.mark.parametrize("outer", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_photos_by_lesion(tmp_path: Path, inner: int, outer: int) -> None:
    staged = stage(archive(tmp_path, files(inner), outer), tmp_path / "to", 0.3, ignore_progress)

    found = staged_photos(tmp_path / "to")
    assert set(found) == set(PHOTOS)
    assert {name: path.parent.name for name, path in found.items()} == {
        name: dx for name, (_, dx) in PHOTOS.items()
    }
    assert found["ISIC_0000077"].read_bytes() == jpeg((77, 0, 0))
    assert staged.written == sum(staged.counts.values()) == 140
    assert not +staged.excluded


def test_photos_that_cannot_be_decoded_are_left_out(tmp_path: Path) -> None:
    damaged = part(0) | {"ISIC_0000010.jpg": jpeg((1, 2, 3))[:80], "ISIC_0000012.jpg": b"<html>"}
    members = files() | {"HAM10000_images_part_1.zip": zipped(damaged, zipfile.ZIP_STORED)}

    staged = stage(archive(tmp_path, members), tmp_path / "to", 0.3, ignore_progress)

    assert staged.unusable == {
        "ISIC_0000010.jpg": "the JPEG photo is damaged or incomplete",
        "ISIC_0000012.jpg": "this is an HTML file",
    }
    assert +staged.excluded == {"photos that cannot be decoded": 2}
    assert set(staged_photos(tmp_path / "to")) == set(PHOTOS) - {"ISIC_0000010", "ISIC_0000012"}


def test_no_lesion_is_on_both_sides(tmp_path: Path) -> None:
    staged = stage(archive(tmp_path, files()), tmp_path / "to", 0.3, ignore_progress)

    sides: dict[str, set[str]] = {}
    for name, path in staged_photos(tmp_path / "to").items():
        sides.setdefault(PHOTOS[name][0], set()).add(path.parts[-3])
    assert all(len(on) == 1 for on in sides.values())
    held_back = sum(on == {"validation"} for on in sides.values())
    assert 10 <= held_back <= 32  # of 70, about 21
    assert sum(staged.counts["validation", dx] for dx in CLASSES) == 2 * held_back


def test_share_of_the_lesions(tmp_path: Path) -> None:
    given = archive(tmp_path, files())
    few = stage(given, tmp_path / "few", 0.05, ignore_progress)
    many = stage(given, tmp_path / "many", 0.5, ignore_progress)

    def held_back(folder: Path) -> set[str]:
        return {name for name, path in staged_photos(folder).items() if "validation" in path.parts}

    assert held_back(few.folder) < held_back(many.folder)


def test_another_share_into_the_same_folder(tmp_path: Path) -> None:
    given = archive(tmp_path, files())
    stage(given, tmp_path / "to", 0.05, ignore_progress)
    with pytest.raises(PreconditionError, match=r"not of this dataset.*use another folder"):
        stage(given, tmp_path / "to", 0.5, ignore_progress)


def test_a_folder_with_the_files(tmp_path: Path) -> None:
    for name, content in files().items():
        (tmp_path / name).write_bytes(content)
    assert stage(tmp_path, tmp_path / "to", 0.1, ignore_progress).written == 140


@pytest.mark.parametrize("name", ["HAM10000_metadata", "HAM10000_metadata.tab"])
def test_the_table_as_dataverse_writes_it(tmp_path: Path, name: str) -> None:
    members = files()
    lines = members.pop("HAM10000_metadata.csv").decode().splitlines()
    quoted = "\r\n".join('"' + line.replace(",", '"\t"') + '"' for line in lines)
    members[name] = b"\xef\xbb\xbf" + quoted.encode()
    assert stage(archive(tmp_path, members), tmp_path / "to", 0.1, ignore_progress).written == 140


@pytest.mark.parametrize(
    "table",
    [
        table().encode("utf-16"),
        table().encode("utf-16-le"),
        b"\xfe\xff" + table().encode("utf-16-be"),
        table().encode("utf-32"),
        table().replace("scalp", "ear (größer)").encode("cp1252"),
        table().replace("scalp", "ear \x81\x9d").encode("latin-1"),
        table().replace("scalp", "größer").encode(),
        ("sep=;\r\n" + table().replace(",", ";").replace("\n", "\r\n") + ";;;;;;;\r\n").encode(),
        table().replace("lesion_id,image_id,dx,", "Lesion_ID, image_id , DX ,").encode(),
        table().replace(",", "\t").encode("utf-16"),
        table().replace("\n", "\r").encode(),
        table().replace("scalp", '"scalp, ""left"""').encode(),
        (table() + table().splitlines()[1] + "\n\n").encode(),
    ],
)
def test_tables_as_programs_save_them(tmp_path: Path, table: bytes) -> None:
    given = archive(tmp_path, files(HAM10000_metadata_csv=table))
    assert stage(given, tmp_path / "to", 0.1, ignore_progress).written == 140


def unpacked(folder: Path, *names: str) -> Path:
    """Lay the files out as Kaggle does: photos in folders, the table beside."""
    folder.mkdir(parents=True)
    (folder / "HAM10000_metadata.csv").write_text(table())
    (folder / "hmnist_28_28_L.csv").write_text("pixel0000\n")
    for number, name in enumerate(names):
        (folder / name / ".thumbnails").mkdir(parents=True)
        for photo, content in part(number % 2).items():
            (folder / name / photo).write_bytes(content)
            (folder / name / ".thumbnails" / photo).write_bytes(b"small")
    return folder


PARTS = ("HAM10000_images_part_1", "HAM10000_images_part_2")


@pytest.mark.parametrize("inner", ["", "archive", "archive/deep"])
def test_unpacked_parts_in_a_folder(tmp_path: Path, inner: str) -> None:
    unpacked(tmp_path / "from" / inner, *PARTS, "ham10000_images_part_1")
    (tmp_path / "from/__MACOSX").mkdir()

    staged = stage(tmp_path / "from", tmp_path / "to", 0.1, ignore_progress)

    assert staged.written == 140
    assert staged.excluded == {
        "copies of photos that are there": 70,
        "rows of the table without a photo": 0,
    }
    assert staged_photos(tmp_path / "to")["ISIC_0000077"].read_bytes() == jpeg((77, 0, 0))
    assert stage(tmp_path / "from", tmp_path / "to", 0.1, ignore_progress).written == 0


@pytest.mark.parametrize("inner", ["", "archive/"])
def test_unpacked_parts_in_a_zip(tmp_path: Path, inner: str) -> None:
    photos = {**part(0), **part(1)}
    members = {f"{inner}HAM10000_images/{name}": data for name, data in photos.items()}
    members[f"{inner}HAM10000_metadata.csv"] = table().encode()

    assert stage(archive(tmp_path, members), tmp_path / "to", 0.1, ignore_progress).written == 140


def test_unpacked_parts_have_no_links_out_of_the_folder(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "from", PARTS[0])
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (folder / PARTS[0] / "ISIC_0000001.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(PreconditionError, match=r"outside it: .*ISIC_0000001\.jpg"):
        stage(folder, tmp_path / "to", 0.1, ignore_progress)


def encrypted(archive: bytes) -> bytes:
    """Set the flag of encryption for all entries, in both of the places that have it."""
    data = bytearray(archive)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 1)
    return bytes(data)


def test_archives_with_a_password(tmp_path: Path) -> None:
    inner = archive(tmp_path, files(HAM10000_images_part_1_zip=encrypted(zipped(part(0)))))
    with pytest.raises(
        PreconditionError, match=r"ISIC_0000000\.jpg is protected by a password: unpack"
    ):
        stage(inner, tmp_path / "to", 0.1, ignore_progress)
    outer = tmp_path / "outer.zip"
    # Zips in a zip are not compressed, so that their flags would be set as well.
    outer.write_bytes(
        encrypted(zipped({**files(), PARTS[0] + ".zip": b"", PARTS[1] + ".zip": b""}))
    )
    with pytest.raises(
        PreconditionError, match=r"HAM10000_metadata\.csv is protected by a password"
    ):
        stage(outer, tmp_path / "to", 0.1, ignore_progress)


def test_an_archive_of_another_compression(tmp_path: Path) -> None:
    deflate64 = bytearray(zipped(part(0)))
    at = deflate64.find(b"PK\x01\x02")
    deflate64[at + 10], deflate64[deflate64.find(b"PK\x03\x04") + 8] = 9, 9
    given = archive(tmp_path, files(HAM10000_images_part_1_zip=bytes(deflate64)))
    with pytest.raises(
        PreconditionError, match=r"uses a compression that is not supported .*give the fold"
    ):
        stage(given, tmp_path / "to", 0.1, ignore_progress)


def test_photos_and_rows_without_each_other(tmp_path: Path) -> None:
    more = part(0) | {"ISIC_9999999.jpg": jpeg((1, 1, 1)), "__MACOSX/x": b"", "notes.txt": b""}
    del more["ISIC_0000002.jpg"], more["ISIC_0000004.jpg"]
    staged = stage(
        archive(tmp_path, files(HAM10000_images_part_1_zip=zipped(more))),
        tmp_path / "to",
        0.1,
        ignore_progress,
    )

    assert staged.excluded == {
        "photos without a row in the table": 1,
        "rows of the table without a photo": 2,
    }
    assert sum(staged.counts.values()) == 138


def test_what_is_there_and_whole_is_left_as_it_is(tmp_path: Path) -> None:
    given = archive(tmp_path, files())
    stage(given, tmp_path / "to", 0.1, ignore_progress)
    found = staged_photos(tmp_path / "to")
    found["ISIC_0000000"].unlink()
    torn = found["ISIC_0000001"]
    torn.write_bytes(b"x" * torn.stat().st_size)
    told: list[ItemProgress] = []

    staged = stage(given, tmp_path / "to", 0.1, told.append)

    assert staged.written == 2
    assert torn.read_bytes() == jpeg((1, 0, 0))
    assert told[-1] == ItemProgress("Writing photos", 140, 140)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("HAM_1,ISIC_1,wart,,,,,", r"dx 'wart' in line 2: dx is one of akiec"),
        ("HAM_1,../../ISIC_1,nv,,,,,", r"image_id '../../ISIC_1'"),
        ("HAM_1,ISIC_1,nv,,,,,\nHAM_2,ISIC_1,mel,,,,,", "has ISIC_1 again"),
        ("HAM_1,ISIC_1,nv,,,,,\nHAM_2,ISIC_1,nv,,,,,", "has ISIC_1 again, .*line 3"),
        ("HAM_1,ISIC_1", "dx '' in line 2"),
        (",ISIC_1,nv", "no lesion_id in line 2"),
        ('HAM_1,ISIC_1,nv,"histo\nHAM_2,ISIC_2,nv', "cannot be read .unexpected end of data"),
        ("", "has no rows"),
    ],
)
def test_rows_that_can_not_be(tmp_path: Path, rows: str, said: str) -> None:
    members = files(HAM10000_metadata_csv=f"{HEADER}\n{rows}\n".encode())
    with pytest.raises(PreconditionError, match=said):
        stage(archive(tmp_path, members), tmp_path / "to", 0.1, ignore_progress)
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (
            ["HAM10000_metadata.csv"],
            "has no table HAM10000_metadata .it contains HAM10000_images_part",
        ),
        (["HAM10000_images_part_1.zip", "HAM10000_images_part_2.zip"], "DBW86T"),
    ],
)
def test_files_that_are_missing(tmp_path: Path, missing: list[str], said: str) -> None:
    members = files()
    for name in missing:
        del members[name]
    with pytest.raises(PreconditionError, match=said):
        stage(archive(tmp_path, members), tmp_path / "to", 0.1, ignore_progress)


def test_a_table_of_something_else(tmp_path: Path) -> None:
    members = files(HAM10000_metadata_csv=b"id,label\n1,nv\n")
    with pytest.raises(PreconditionError, match="no column lesion_id, image_id, dx"):
        stage(archive(tmp_path, members), tmp_path / "to", 0.1, ignore_progress)


def test_a_table_that_is_cut_within_a_character(tmp_path: Path) -> None:
    members = files(HAM10000_metadata_csv=table().encode("utf-16")[:-1])
    with pytest.raises(PreconditionError, match=r"HAM10000_metadata\.csv is corrupt .*truncated"):
        stage(archive(tmp_path, members), tmp_path / "to", 0.1, ignore_progress)


def test_a_table_of_other_photos(tmp_path: Path) -> None:
    members = files(HAM10000_metadata_csv=f"{HEADER}\nHAM_1,ISIC_1,nv\n".encode())
    with pytest.raises(PreconditionError, match="has none of the photos in the table"):
        stage(archive(tmp_path, members), tmp_path / "to", 0.1, ignore_progress)


def test_damaged_archives(tmp_path: Path) -> None:
    no_zip = tmp_path / "no.zip"
    no_zip.write_bytes(b"PK nothing")
    broken = archive(tmp_path, files(HAM10000_images_part_2_zip=zipped(part(1))[:-500]))
    for given in (no_zip, broken):
        with pytest.raises(PreconditionError, match="is corrupt or not a zip file"):
            stage(given, tmp_path / "to", 0.1, ignore_progress)
    with pytest.raises(PreconditionError, match=r"nowhere\.zip does not exist"):
        stage(tmp_path / "nowhere.zip", tmp_path / "to", 0.1, ignore_progress)


@pytest.mark.parametrize(
    ("limit", "bytes_", "said"),
    [
        ("MAX_TABLE_BYTES", 1000, "HAM10000_metadata.csv has more than 1,000 bytes"),
        ("MAX_PHOTO_BYTES", 100, r"ISIC_0000000.jpg has more than 100 bytes"),
        ("MAX_UNPACKED_BYTES", 20_000, "images_part_1.zip has more than 20,000 bytes, unpacked"),
    ],
)
def test_archives_that_unpack_to_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, bytes_: int, said: str
) -> None:
    monkeypatch.setattr(ham10000, limit, bytes_)
    with pytest.raises(PreconditionError, match=said):
        stage(archive(tmp_path, files()), tmp_path / "to", 0.1, ignore_progress)


def test_a_bomb_for_a_table_is_not_unpacked_whole(tmp_path: Path) -> None:
    bomb = b"," * 60_000_000  # 60 KB in the archive
    with pytest.raises(
        PreconditionError, match=r"HAM10000_metadata\.csv has more than 10,000,000 bytes"
    ):
        stage(
            archive(tmp_path, files(HAM10000_metadata_csv=bomb), zipfile.ZIP_DEFLATED),
            tmp_path / "to",
            0.1,
            ignore_progress,
        )


def test_photos_stay_in_the_folder_whatever_their_path_in_the_archive(tmp_path: Path) -> None:
    slip = {f"../../../{name}": data for name, data in part(0).items()}
    given = archive(tmp_path, files(HAM10000_images_part_1_zip=zipped(slip)))
    assert stage(given, tmp_path / "to", 0.1, ignore_progress).written == 140
    assert set(staged_photos(tmp_path)) == set(staged_photos(tmp_path / "to")) == set(PHOTOS)


def test_a_folder_whose_table_is_a_link_out_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "from"
    folder.mkdir()
    for name, content in files().items():
        (folder / name).write_bytes(content)
    (folder / "HAM10000_metadata.csv").rename(tmp_path / "secret.csv")
    (folder / "HAM10000_metadata.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(PreconditionError, match=r"outside it: .*HAM10000_metadata\.csv"):
        stage(folder, tmp_path / "to", 0.1, ignore_progress)
