#!/bin/sh
# What Snakemake asks about a Job: running, success or failed. A Job that is gone has failed; while the cluster does not
# answer, the Job is taken to run still.
counts=$(kubectl get "$1" --ignore-not-found --output 'jsonpath=ok:{.status.succeeded}:{.status.failed}') || counts=ok::
case "$counts" in
    ok:1:*) echo success ;;
    ok::) echo running ;;
    *) echo failed ;;
esac
