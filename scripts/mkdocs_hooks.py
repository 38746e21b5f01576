"""What the documentation site needs beside `docs/`: the files outside it that pages link to."""

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("examples", "deploy")


def on_files(files: Files, config: Any) -> Files:
    """Examples and deployment files become files of the site."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).iterdir()):
            if path.is_file():
                text = path.read_text(encoding="utf-8")
                files.append(File.generated(config, f"{folder}/{path.name}", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """In the repository they stand beside `docs`, on the site below it."""
    up = "../" * page.file.src_uri.count("/")
    for folder in FOLDERS:
        markdown = markdown.replace(f"]({up}../{folder}/", f"]({up}{folder}/")
    return markdown
