#!/bin/sh
# Fetches Kafka as Maven has it: kafka-jars.sh FOLDER leaves its jars in FOLDER/lib. Needs a JDK's java and mvn.
set -eu
folder=$1
mkdir -p "$folder"
cat >"$folder/pom.xml" <<'POM'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>pillion</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.4.0</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
cd "$folder"
mvn -q -B dependency:copy-dependencies -DoutputDirectory=lib -DincludeScope=runtime
