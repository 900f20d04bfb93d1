# The book of one run: its pages as chapters, in a copy of book/ below runs/. `publish` brings them to book/ itself.


localrules:
    book,
    publish,


CHAPTERS = [
    *(PLAN.path(notebook, PLAN.seed) for notebook in PLAN.notebooks),
    *(other.path(other.chapter, other.seed) for other in PLAN.others),
]


rule book:
    input:
        CHAPTERS,
    params:
        config=CONFIG,
        since=STARTED,
    message:
        "the book"
    shell:
        "python workflow/book.py --config {params.config} --since {params.since}"


rule publish:
    input:
        CHAPTERS,
    params:
        config=CONFIG,
    message:
        "book/chapters, book/runs.json, the book's two pictures and the table in README.md"
    shell:
        "python workflow/publish.py --config {params.config}"
