package around

import "strings"

// azureTag is the asset tag of every machine of Azure's, by which they are told from others of Hyper-V.
const azureTag = "7783-7084-3265-9085-8269-3286-77"

// firmware is what the machines of each cloud say of themselves.
var firmware = []struct {
	cloud string
	says  func(*Firmware) bool
}{
	{"aws", func(f *Firmware) bool {
		return f.Vendor == "Amazon EC2" || f.BIOSVendor == "Amazon EC2" || strings.Contains(strings.ToLower(f.BIOSVersion), "amazon")
	}},
	{"gcp", func(f *Firmware) bool { return f.Product == "Google Compute Engine" }},
	{"azure", func(f *Firmware) bool { return f.AssetTag == azureTag }},
	{"oracle", func(f *Firmware) bool { return f.AssetTag == "OracleCloud.com" }},
	{"alibaba", func(f *Firmware) bool {
		return f.Vendor == "Alibaba Cloud" || strings.HasPrefix(f.Product, "Alibaba Cloud")
	}},
	{"tencent", func(f *Firmware) bool { return f.Vendor == "Tencent Cloud" }},
	{"digitalocean", func(f *Firmware) bool { return f.Vendor == "DigitalOcean" }},
	{"hetzner", func(f *Firmware) bool { return f.Vendor == "Hetzner" }},
	{"vultr", func(f *Firmware) bool { return f.Vendor == "Vultr" }},
	{"linode", func(f *Firmware) bool { return f.Vendor == "Linode" || f.Vendor == "Akamai" }},
	{"scaleway", func(f *Firmware) bool { return f.Vendor == "Scaleway" }},
	{"exoscale", func(f *Firmware) bool { return strings.HasPrefix(f.Product, "Exoscale") }},
	{"upcloud", func(f *Firmware) bool { return f.Vendor == "UpCloud" }},
	{"openstack", func(f *Firmware) bool { return strings.HasPrefix(f.Product, "OpenStack") }},
}

// services are run for their users, who see no machine: what each sets in the environment, and whose cloud it is.
var services = []struct{ variable, value, service, cloud string }{
	{"AWS_LAMBDA_FUNCTION_NAME", "", "aws-lambda", "aws"},
	{"AWS_EXECUTION_ENV", "AWS_ECS_FARGATE", "aws-fargate", "aws"},
	{"ECS_CONTAINER_METADATA_URI_V4", "", "aws-ecs", "aws"},
	{"K_REVISION", "", cloudRun, "gcp"},
	{"CLOUD_RUN_JOB", "", cloudRun, "gcp"},
	{"GAE_SERVICE", "", "gcp-app-engine", "gcp"},
	{"FUNCTIONS_WORKER_RUNTIME", "", "azure-functions", "azure"},
	{"CONTAINER_APP_NAME", "", "azure-container-apps", "azure"},
	{"WEBSITE_SITE_NAME", "", "azure-app-service", "azure"},
	{"FLY_APP_NAME", "", "fly", ""},
	{"DYNO", "", "heroku", ""},
}

// cloudRun sets what Knative does, from which it comes, but is no Kubernetes to those who run in it.
const cloudRun = "gcp-cloud-run"

func (f *Facts) cloud(e *Evidence) {
	f.Machine = e.Firmware.Product
	for _, known := range firmware {
		if known.says(&e.Firmware) {
			f.Cloud = known.cloud
			break
		}
	}
	for _, known := range services {
		if value := e.Getenv(known.variable); value != "" && (known.value == "" || value == known.value) {
			service, cloud := known.service, known.cloud
			if service == cloudRun && f.Orchestrator == "kubernetes" {
				service, cloud = "knative", ""
			}
			f.Service, f.Cloud = service, first(f.Cloud, cloud)
			break
		}
	}
}
