#!/bin/sh
# End the named Jobs and their pods, when Snakemake is interrupted.
exec kubectl delete --wait=false "$@"
