# The book of one run: its pages as chapters, in a copy of book/ below runs/. `publish` brings them to book/ itself.


localrules:
    book,
    publish,


CHAPTERS = [PLAN.path(notebook, PLAN.seed) for notebook in (*READS, *PLAN.readings)]


rule book:
    input:
        CHAPTERS,
    params:
        since=STARTED,
    message:
        "the book"
    shell:
        "python workflow/book.py --config {CONFIG} --since {params.since}"


rule publish:
    input:
        CHAPTERS,
    message:
        "book/chapters, book/runs.json, the book's two pictures and the table in README.md"
    shell:
        "python workflow/publish.py --config {CONFIG}"
