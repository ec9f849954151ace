// The versions have files of their own: go build -modfile=1.13.mod. This one only marks the folder of the module.
module bootgrant/tools/talos

go 1.26.0
