#!/bin/sh
# Create the Kubernetes Job that runs one of Snakemake's job scripts, and print its name.
#   submit.sh CPUS MEMORY-MB MINUTES GPUS JOBSCRIPT
# The pod sees the shared volume where this machine sees it, and so the same folder, environment and script.
set -eu
: "${DBB_IMAGE:?set it to the image that the pods run, for instance registry/dbb:1}"
: "${DBB_CLAIM:?set it to the name of the persistent volume claim that holds this folder}"
: "${DBB_MOUNT:?set it to the path at which the volume is mounted, here and in the pods}"

gpu_limit=""
if [ "$4" -gt 0 ]; then gpu_limit=", nvidia.com/gpu: $4"; fi

environment="{name: PATH, value: \"$PATH\"}"
for name in DBB_DATA HF_HOME HF_HUB_OFFLINE TORCH_HOME; do
  eval "value=\${$name:-}"
  if [ -n "$value" ]; then environment="$environment, {name: $name, value: \"$value\"}"; fi
done

kubectl create --output name --filename - << MANIFEST
apiVersion: batch/v1
kind: Job
metadata:
  generateName: dbb-
  labels: {app: dbb}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      activeDeadlineSeconds: $(($3 * 60))
      containers:
        - name: stage
          image: "$DBB_IMAGE"
          workingDir: "$PWD"
          command: ["/bin/sh", "$5"]
          env: [$environment]
          resources:
            requests: {cpu: $1, memory: ${2}M}
            limits: {memory: ${2}M$gpu_limit}
          volumeMounts: [{name: shared, mountPath: "$DBB_MOUNT"}]
      volumes:
        - name: shared
          persistentVolumeClaim: {claimName: "$DBB_CLAIM"}
MANIFEST
