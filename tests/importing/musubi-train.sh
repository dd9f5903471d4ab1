# the command that trained the dog
accelerate launch --num_cpu_threads_per_process 1 --mixed_precision bf16 src/musubi_tuner/wan_train_network.py \
    --task t2v-1.3B \
    --dit weights/wan2.1_t2v_1.3B_bf16.safetensors \
    --dataset_config dog.toml --sdpa --mixed_precision bf16 \
    --optimizer_type AdamW8bit --optimizer_args "weight_decay=0.05" "betas=0.9,0.99" \
    --learning_rate 2e-4 --gradient_checkpointing --gradient_accumulation_steps 2 \
    --network_module networks.lora_wan --network_dim 32 --network_alpha 16 \
    --timestep_sampling shift --discrete_flow_shift 3.0 \
    --max_train_steps 1200 --lr_scheduler cosine --lr_warmup_steps 0.05 \
    --save_every_n_steps 200 --seed 7 --blocks_to_swap 20 \
    --max_data_loader_n_workers 2 --persistent_data_loader_workers \
    --output_dir out --output_name dog --sample_prompts dog-prompts.txt
