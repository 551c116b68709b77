# Varnish in front of the origin of `vouchsafe leak-test --listen 127.0.0.1:18000`, with its built-in VCL and defaults.
# varnishd -F -n DIRECTORY -a 127.0.0.1:18080 -f varnish.vcl -s malloc,256m
vcl 4.1;

backend origin {
    .host = "127.0.0.1";
    .port = "18000";
}
