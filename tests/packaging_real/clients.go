// Asks a server with Go's verifier, which is Talos's, for each of some host names: clients CA URL HOST…
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
)

func main() {
	pem, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	for _, host := range os.Args[3:] {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: host}}}
		if _, err := client.Get(os.Args[2]); err != nil {
			fmt.Println(host, err)
		} else {
			fmt.Println(host, "accepted")
		}
	}
}
