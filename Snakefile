# The order of the work: a page (an executed notebook) per stage of the method, then the book.
#
#   snakemake --cores all book                              everything that runs/ lacks, and the book of it
#   snakemake --cores all book --config seed=3              another seed
#   snakemake --cores all book --configfile quick.yml       other parameters (see book/rerun.md)
#   snakemake --cores all study_results                     the study behind the last chapters, seed by seed
#   snakemake --cores all methods_results                   the compared methods, tuned alike, seed by seed
#   snakemake --cores all paper --config benchmark=waterbirds seeds=0,1,2     the paper's experiment (book/paper-scale.md)
#
# Files lie beside it in workflow/: a .smk holds the rules of one topic, a .py what they run.


configfile: "workflow/config.yml"


include: "workflow/settings.smk"  # what all rules share, and which pages must be made
include: "workflow/book.smk"
include: "workflow/stages.smk"
include: "workflow/study.smk"
include: "workflow/methods.smk"
include: "workflow/paper.smk"
